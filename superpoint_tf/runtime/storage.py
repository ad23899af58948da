"""Reading and writing files so that a reader never meets half of one, on a disk or on any store TensorFlow knows."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import io
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.runtime import npz_files, operating_system, stores
from superpoint_tf.runtime.stores import StoreError, StorePath

AnyPath = Path | StorePath
_PIECE_BYTES = 1 << 20  # of a file that is hashed
TEMPORARY_SUFFIX = ".part"  # a file of this name is unfinished and may be deleted
_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise the limit on file sizes",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.EACCES: "choose a folder that you may write to" + " or close what has it open" * operating_system.WINDOWS,
    errno.EPERM: "choose a folder that you may write to",
    errno.ENOENT: "the folder has vanished: mount or make it again",
}


class WriteError(OSError):
    """A file that could not be written; the message names it, the reason and the remedy. What was there is intact."""

    def __init__(self, path: str | Path, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, "see to that, or choose another folder")
        if is_remote(path) and error.errno == errno.EACCES:
            remedy = stores.ACCESS
        super().__init__(f"{path}: cannot be written ({reason}); {remedy}, and start the same command again")
        self.errno = error.errno

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be sent by a worker on another machine, whole."""
        return _written_again, (str(self), self.errno)


def _written_again(message: str, errno: int | None) -> WriteError:
    error = WriteError.__new__(WriteError)
    OSError.__init__(error, message)
    error.errno = errno
    return error


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Raise WriteError for what Python or TensorFlow raises in the block when a disk refuses; it may name no file."""
    try:
        yield
    except (WriteError, StoreError):
        raise
    except Exception as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise WriteError(path, refusal) from error


def _refusal(error: Exception) -> OSError | None:
    """Return what was raised as an OSError; None if it has nothing to do with files."""
    if isinstance(error, OSError):
        return error
    tensorflow = sys.modules.get("tensorflow")  # whoever meets its errors has imported it
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    number = next((number for number in _REMEDIES if os.strerror(number) in error.message), None)
    refused = tensorflow.errors.PermissionDeniedError | tensorflow.errors.UnauthenticatedError
    if number is None and isinstance(error, refused):  # a store's; of a read-only disk too
        number = errno.EACCES
    return OSError(error.message) if number is None else OSError(number, error.message)


def is_remote(path: str | AnyPath) -> bool:
    """Tell whether `path` is a URL such as gs://bucket/labels rather than a path on a disk."""
    return "://" in str(path)


def as_path(place: str | AnyPath) -> AnyPath:
    """Return a path on a disk, or what is like one for a URL."""
    return (
        StorePath(str(place).rstrip("/")) if is_remote(place) else Path(str(place))
    )  # object stores mind a slash more


def read_bytes(path: str | AnyPath) -> bytes:
    """Return the content of a file; raises FileNotFoundError if there is none, and other kinds of OSError."""
    return stores.read_bytes(str(path)) if is_remote(path) else Path(str(path)).read_bytes()


def read_beginning(path: str | AnyPath, most: int, errors: str = "strict") -> str:
    """Return the first `most` characters of a text in UTF-8; raises OSError, UnicodeDecodeError."""
    if is_remote(path):
        return StorePath(str(path)).read_text(encoding="utf-8", errors=errors)[:most]
    with open(str(path), encoding="utf-8", errors=errors) as file:
        return file.read(most)


def size_of(path: str | AnyPath) -> int:
    """Return the bytes of a file; raises FileNotFoundError."""
    return stores.size_of(str(path)) if is_remote(path) else os.stat(str(path)).st_size


def read_part(path: str | Path, offset: int, length: int) -> bytes:
    """Return `length` bytes of a file from a place on, fewer where it ends; raises FileNotFoundError."""
    if is_remote(path):
        return stores.read_part(str(path), offset, length)
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it; folders are made as needed. Raises WriteError."""
    temporary = f"{path}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"  # two machines may share the folder
    if is_remote(path):
        gfile = stores.gfile(str(path))
        with writing(path):
            gfile.makedirs(str(path).rpartition("/")[0])
            with gfile.GFile(temporary, "wb") as file:
                file.write(content)
            gfile.rename(temporary, str(path), overwrite=True)
        return
    with writing(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            operating_system.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def exists(path: str | Path) -> bool:
    """Tell whether a file or folder is there."""
    return stores.exists(str(path)) if is_remote(path) else Path(path).exists()


def is_file(path: str | AnyPath) -> bool:
    """Tell whether a file is there, and no folder, pipe or device."""
    return stores.is_file(str(path)) if is_remote(path) else os.path.isfile(str(path))


def list_folder(folder: str | Path) -> list[str]:
    """Return the names in a folder; stores may end those of folders with a slash."""
    return stores.list_folder(str(folder)) if is_remote(folder) else sorted(os.listdir(folder))


def matching(folder: AnyPath, pattern: str = "") -> list[AnyPath]:
    """Return what matches a pattern in a folder, all that lies in it if none is given, sorted."""
    found: Iterable[AnyPath] = folder.glob(pattern) if pattern else folder.iterdir()
    return sorted(found, key=str)


def join(folder: str | AnyPath, *parts: str) -> str:
    """Join path parts with slashes, for paths on disk and URLs alike."""
    return "/".join([str(folder).rstrip("/") or "/", *parts])


def relative(path: str | AnyPath, folder: str | AnyPath) -> str:
    """Return the slash-separated path from a folder, on a disk or in the same store, to what lies below it."""
    if is_remote(path):
        return str(path).removeprefix(str(folder).rstrip("/")).lstrip("/")
    return operating_system.with_slashes(os.path.relpath(str(path), str(folder)))


def remove_unfinished(folder: str | Path) -> int:
    """Delete the temporary files and folders that a killed writer left below `folder`; return how many."""
    if is_remote(folder) or not Path(folder).is_dir():
        return 0
    leftovers = list(Path(folder).rglob(f"*{TEMPORARY_SUFFIX}"))
    for path in leftovers:
        with contextlib.suppress(FileNotFoundError):  # it was in one of the folders
            _remove(str(path))
    return len(leftovers)


def remove_unfinished_of(path: str | Path) -> None:
    """Delete the temporary files and folders that killed writers of `path` alone left beside it, on a disk."""
    if is_remote(path):
        return
    for leftover in Path(path).parent.glob(f"{glob.escape(Path(path).name)}.*{TEMPORARY_SUFFIX}"):
        with writing(path), contextlib.suppress(FileNotFoundError):
            _remove(str(leftover))


def remove_tree(folder: str | Path, marker: str) -> None:
    """Delete a folder of ours, known by the file `marker` in it; raises ValueError for a non-empty folder without."""
    if not exists(folder):
        return
    if not exists(join(folder, marker)) and list_folder(folder):
        raise ValueError(f"{folder}: not made by this tool (no {marker} in it), so it is not deleted; choose another")
    last = marker.partition("/")[0]  # so a deletion that was killed is known for one, and ends the next time
    for name in list_folder(folder):
        if name.rstrip("/") != last:
            _remove(join(folder, name.rstrip("/")))
    _remove(str(folder))


def _remove(path: str) -> None:
    if is_remote(path):
        gfile = stores.gfile(path)
        (gfile.rmtree if gfile.isdir(path) else gfile.remove)(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON, indented, keys in the order given."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: str | Path) -> Any:
    """Read JSON; raises ValueError naming the file if it is not valid."""
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid JSON ({error}); delete it and run the stage again") from error


def npz_bytes(**arrays: Any) -> bytes:
    """Return arrays as the bytes of a compressed .npz; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Read a .npz without executing anything in it; raises ValueError naming a damaged file or one of absurd size."""
    if not is_remote(path) and (size := os.stat(path).st_size) > npz_files.MAX_BYTES:
        raise ValueError(f"{path}: {size} bytes are more than any .npz file of this project has; name another")
    return unpack_npz(read_bytes(path), path)


def unpack_npz(content: bytes, path: str | Path) -> dict[str, np.ndarray]:
    """Do `load_npz` for the content of a file; `path` is named in errors."""
    try:
        return npz_files.unpack_npz(content)
    except Exception as error:  # zipfile, zlib and NumPy each raise their own on damaged bytes
        reason = f"{type(error).__name__}: {str(error)[:200]}"  # zipfile shows names of any length
        raise ValueError(f"{path}: damaged or not an .npz file ({reason})") from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: str | AnyPath) -> str:
    """Return the SHA-256 of a file, read in pieces from a disk; raises OSError."""
    if is_remote(path):
        return sha256(read_bytes(path))
    with open(str(path), "rb", buffering=0) as file:
        digest = hashlib.sha256()
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
        return digest.hexdigest()
