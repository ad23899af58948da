"""Stores beyond the disk, gs://, s3:// and every other scheme that TensorFlow knows: listed and read like folders.

The stores' own errors come as Python's, OSError and its kinds, so that callers know one kind alone.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fnmatch
import glob
import importlib
import importlib.util
import multiprocessing
import os
import posixpath
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from superpoint_tf.runtime.quiet import import_tensorflow, quieten

_MARK_FOLDERS = ("gs",)  # schemes whose listings end the names of folders with a slash
ACCESS = "log in to the store (docs/using.md), or ask for access"


class StoreError(OSError):
    """A store that cannot be asked; the message names the URL, the reason and the remedy."""


class StoreRefusal(PermissionError):
    """A store that does not let this user in."""


REFUSALS = (StoreError, StoreRefusal)  # of the store, not of one of its files: they end a command


def scheme_of(url: str) -> str:
    """Return `gs` of gs://bucket/photographs."""
    return url.partition("://")[0]


def gfile(url: str) -> Any:
    """Return TensorFlow's gfile, which knows the scheme of `url`, if need be by way of tensorflow-io.

    Imports TensorFlow, which takes seconds: only stores need it, workers stay free of it. Raises StoreError.
    """
    quieten()
    import_tensorflow()
    tensorflow, scheme = sys.modules["tensorflow"], scheme_of(url)
    known = tensorflow.io.gfile.get_registered_schemes()
    if scheme not in known and importlib.util.find_spec("tensorflow_io"):
        with contextlib.suppress(ImportError, NotImplementedError):  # built for another TensorFlow
            importlib.import_module("tensorflow_io")
        if multiprocessing.parent_process() is not None:  # see `leave`
            atexit.register(os._exit, 0)
        known = tensorflow.io.gfile.get_registered_schemes()
    if scheme not in known:
        there = ", ".join(f"{name}://" for name in sorted(filter(None, known)))
        raise StoreError(
            f"{url}: TensorFlow {tensorflow.__version__} knows no {scheme}:// here (there: {there}); install what "
            "brings it, `pip install tensorflow-io` for s3:// and hdfs://, or copy the files to a disk"
        )
    return tensorflow.io.gfile


def leave(code: int) -> None:
    """End this process now if tensorflow-io is in it: its S3 client (0.36) aborts one that ends in the usual way."""
    if "tensorflow_io" in sys.modules:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def asking(url: str) -> Iterator[None]:
    """Raise what TensorFlow raises in the block as OSError: FileNotFoundError, StoreRefusal ..., StoreError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if (refusal := as_os_error(error, url)) is None:
            raise
        raise refusal from error


def as_os_error(error: Exception, url: str) -> OSError | None:
    """Return what TensorFlow raised about a URL as Python would; None if it has nothing to do with files."""
    tensorflow = sys.modules.get("tensorflow")  # whoever meets its errors has imported it
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    errors, said = tensorflow.errors, " ".join(error.message.split())[:300]
    if isinstance(error, errors.NotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
    if isinstance(error, errors.PermissionDeniedError | errors.UnauthenticatedError):
        return StoreRefusal(errno.EACCES, f"{os.strerror(errno.EACCES)}: {said}; {ACCESS}", url)
    if "is a directory" in said.lower():
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), url)
    return StoreError(
        f"{url}: the store does not answer ({said or type(error).__name__}); see to the connection and "
        "the login, and start the same command again"
    )


def is_folder(url: str) -> bool:
    """Tell whether a folder, or the beginning of names as folders of object stores are, is there."""
    return bool((found := _stat(url)) and found.is_directory)


def is_file(url: str) -> bool:
    """Tell whether a file is there."""
    return bool((found := _stat(url)) and not found.is_directory)


def exists(url: str) -> bool:
    """Tell whether a file or folder is there."""
    return _stat(url) is not None


def size_of(url: str) -> int:
    """Return the bytes of a file; raises FileNotFoundError, IsADirectoryError."""
    found = _stat(url)
    if found is None or found.is_directory:
        number = errno.ENOENT if found is None else errno.EISDIR
        raise OSError(number, os.strerror(number), url)
    return int(found.length)


def _stat(url: str) -> Any:
    try:
        with asking(url):
            return gfile(url).stat(url)
    except FileNotFoundError:
        return None


def read_bytes(url: str) -> bytes:
    """Return the content of a file; raises FileNotFoundError, IsADirectoryError."""
    with asking(url), gfile(url).GFile(url, "rb") as file:
        content: bytes = file.read()
    return content


def read_part(url: str, offset: int, length: int) -> bytes:
    """Return `length` bytes of a file from a place on, fewer where it ends; raises as `read_bytes`."""
    with asking(url), gfile(url).GFile(url, "rb") as file:
        file.seek(offset)
        content: bytes = file.read(length)
    return content


def list_folder(url: str) -> list[str]:
    """Return the names in a folder, sorted; where the store marks them, those of folders end with a slash."""
    if not is_folder(url):  # TensorFlow's own listing calls all its errors a missing folder
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
    with asking(url):
        return sorted(name for name in gfile(url).listdir(url) if name.strip("/"))


def list_both(url: str, is_file_name: Callable[[str], bool] = lambda name: False) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder, sorted.

    What `is_file_name` says is taken for a file without a question, which is a request each on some stores.
    """
    folders: list[str] = []
    files: list[str] = []
    marked = scheme_of(url) in _MARK_FOLDERS
    for name in list_folder(url):
        bare = name.rstrip("/")
        is_one = name != bare or (not (marked or is_file_name(bare)) and is_folder(f"{url}/{bare}"))
        (folders if is_one else files).append(bare)
    return folders, files


def walk(folder: StorePath, is_file_name: Callable[[str], bool]) -> Iterator[StorePath]:
    """Yield the files below a folder that are not hidden, sorted by path; `is_file_name` as in `list_both`."""
    folders, files = list_both(folder.url, is_file_name)
    for name in sorted([*(f"{name}/" for name in folders), *files]):  # as paths below it are sorted
        if name.endswith("/") and not name.startswith("."):
            yield from walk(folder / name.rstrip("/"), is_file_name)
        elif not name.startswith("."):
            yield folder / name


@dataclass(frozen=True, order=True)
class StorePath:
    """A place in a store, with what `pathlib.Path`, which would make one slash of two, has for one on a disk."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """Return the last part."""
        return posixpath.basename(self.url)

    @property
    def stem(self) -> str:
        """Return the name without its suffix."""
        return posixpath.splitext(self.name)[0]

    @property
    def suffix(self) -> str:
        """Return the end of the name, with its dot."""
        return posixpath.splitext(self.name)[1]

    @property
    def parent(self) -> StorePath:
        """Return the folder that it lies in."""
        return StorePath(self.url.rpartition("/")[0])

    def with_name(self, name: str) -> StorePath:
        """Return another place in the same folder."""
        return self.parent / name

    def is_dir(self) -> bool:
        """Tell whether it is a folder."""
        return is_folder(self.url)

    def is_file(self) -> bool:
        """Tell whether it is a file."""
        return is_file(self.url)

    def exists(self) -> bool:
        """Tell whether it is there."""
        return exists(self.url)

    def iterdir(self) -> Iterator[StorePath]:
        """Yield what lies in a folder, by name."""
        return (self / name.rstrip("/") for name in list_folder(self.url))

    def glob(self, pattern: str) -> Iterator[StorePath]:
        """Yield what matches a pattern such as `*/ref.png`; `**` stands for this folder and all below it."""
        first, _, rest = pattern.partition("/")
        if first == "**":
            yield from self.glob(rest or "*")
            for name in list_both(self.url)[0]:
                yield from (self / name).glob(pattern) if not name.startswith(".") else ()
        elif not glob.has_magic(first):
            place = self / first
            yield from place.glob(rest) if rest else filter(StorePath.exists, [place])
        else:
            names = list_both(self.url)[0] if rest else [name.rstrip("/") for name in list_folder(self.url)]
            places = [self / name for name in names if fnmatch.fnmatchcase(name, first)]
            for place in places:
                yield from place.glob(rest) if rest else [place]

    def read_bytes(self) -> bytes:
        """Return the content; raises OSError."""
        return read_bytes(self.url)

    def read_text(self, encoding: str, errors: str = "strict") -> str:
        """Return the content as text, each end of a line as \\n; raises OSError, UnicodeDecodeError."""
        return self.read_bytes().decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")
