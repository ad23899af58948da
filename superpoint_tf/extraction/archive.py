"""A feature file that grows picture by picture and survives being killed.

HDF5 writes in place: a process killed in the middle leaves a file that nobody can open. So new pictures go to part
files in `<file>.parts/`, each of which gets its name when it is complete, and at the end one new file is made of the
old one and the parts, and takes the old one's name.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py

from superpoint_tf import storage
from superpoint_tf.feature_files import INSIDE_DAMAGE, DamagedFeatures, damaged, open_features, write_features
from superpoint_tf.features import Features

IDENTITY, PICTURE = "identity", "image_sha256"  # attributes of the file, and of each picture's group
_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # of every HDF5 file, damaged or not
INTERVAL_S = 20.0  # a killed process loses what it found in the last so many seconds


class FeatureArchive:
    """The file that `extract` writes; `has` knows what is there, `write` adds, leaving the block makes one file."""

    def __init__(
        self, path: str | Path, identity: Mapping[str, Any], overwrite: bool = False, interval_s: float = INTERVAL_S
    ) -> None:
        """Take up what an earlier run, finished or not, has left under this name.

        Raises ValueError if another process is writing it, if it holds features of other weights or settings
        (`overwrite` deletes those), if it is damaged, or if it is not ours; what is not ours is never deleted.
        """
        self.path, self._interval_s = Path(path), interval_s
        self._identity = json.dumps(identity, sort_keys=True)
        self._folder = self.path.with_name(self.path.name + ".parts")
        self._part: h5py.File | None = None
        self._part_began = 0.0
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self._folder / "lock", "w")  # noqa: SIM115 (held until close)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ValueError(f"{self.path}: another process is writing it; wait for it or name another file") from error
        try:
            storage.remove_unfinished(self._folder)
            self._digests: dict[str, str] = {}
            for file in (self.path, *self._parts()):
                self._take_up(file, overwrite)
        except BaseException:
            self._unlock()
            raise

    def has(self, name: str, sha256: str) -> bool:
        """Tell whether the features of the very picture are there."""
        return self._digests.get(name) == sha256

    def write(self, name: str, features: Features, image_shape: tuple[int, ...], sha256: str) -> None:
        """Add the features of a picture of (height, width), in place of those of an earlier one of this name."""
        if self._part is None:
            self._part = open_features(self._folder / f"{secrets.token_hex(4)}{storage.TEMPORARY_SUFFIX}", "a")
            self._part.attrs[IDENTITY] = self._identity
            self._part_began = time.monotonic()
        group = write_features(self._part, name, features, (image_shape[0], image_shape[1]))
        group.attrs[PICTURE] = sha256
        self._digests[name] = sha256
        if time.monotonic() - self._part_began >= self._interval_s:
            self._finish_part()

    def merge(self) -> None:
        """Make one file of the old one and the parts; whatever happens meanwhile, both stay until it is complete."""
        self._finish_part()
        parts = self._parts()
        if not parts:
            return
        if len(parts) == 1 and not self.path.exists():
            os.replace(parts[0], self.path)
            return
        temporary = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}{storage.TEMPORARY_SUFFIX}")
        try:
            first, *others = [self.path, *parts] if self.path.exists() else parts
            shutil.copyfile(first, temporary)
            with h5py.File(temporary, "a") as target:
                for part in others:
                    _copy_pictures(part, target)
            _synchronise(temporary)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
        for part in parts:
            part.unlink()

    def _take_up(self, file: Path, overwrite: bool) -> None:
        if not file.exists():
            return
        try:
            identity, digests = _read_index(file)
        except DamagedFeatures as error:
            if not _is_hdf5(file):
                raise ValueError(f"{file}: not a feature file; choose another --output") from error
            if not overwrite:
                raise DamagedFeatures(f"{error}, or pass --overwrite") from error
            file.unlink()
            return
        if identity is None:
            raise ValueError(f"{file}: holds features that this tool did not write; move it or choose another --output")
        if identity == self._identity:
            self._digests |= digests
        elif overwrite:
            file.unlink()
        else:
            difference = _describe_difference(identity, self._identity)
            raise ValueError(
                f"{file}: made otherwise ({difference}); pass --overwrite to replace it, or choose another --output"
            )

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("*.h5"))

    def _finish_part(self) -> None:
        if self._part is None:
            return
        written = Path(self._part.filename)
        self._part.close()
        self._part = None
        _synchronise(written)
        numbers = [int(part.stem) for part in self._parts()]
        os.replace(written, self._folder / f"{max(numbers, default=-1) + 1:06d}.h5")

    def _unlock(self) -> None:
        self._lock.close()
        if not self._parts():
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> FeatureArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make one file, unless the disk has failed or nobody wants to wait: the parts are taken up next time."""
        try:
            if kind is None or (issubclass(kind, Exception) and not issubclass(kind, OSError)):
                self.merge()
        finally:
            self._unlock()


def _read_index(file: Path) -> tuple[str | None, dict[str, str]]:
    """Return a file's identity, if it has one, and the hash of each of its pictures."""
    digests: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if PICTURE in item.attrs:
            digests[name] = item.attrs[PICTURE]

    with open_features(file) as opened:
        try:
            opened.visititems(note)
            return opened.attrs.get(IDENTITY), digests
        except INSIDE_DAMAGE as error:
            raise damaged(str(file), error) from error


def _is_hdf5(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(len(_SIGNATURE)) == _SIGNATURE


def _copy_pictures(part: Path, target: h5py.File) -> None:
    _, digests = _read_index(part)
    with open_features(part) as source:
        for name in digests:
            if name in target:
                del target[name]
            source.copy(name, target, name)


def _synchronise(file: Path) -> None:
    """Wait until a file's content is on the disk: a name must not get there before it."""
    with open(file, "rb+") as opened:
        os.fsync(opened.fileno())


def _describe_difference(before_text: str, now_text: str) -> str:
    before, now = json.loads(before_text), json.loads(now_text)
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return ", ".join(f"{key}: {_short(before.get(key))} there, {_short(now.get(key))} asked for" for key in changed)


def _short(value: Any) -> str:
    return value[:12] if isinstance(value, str) else str(value)
