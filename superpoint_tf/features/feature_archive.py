"""A feature file that grows picture by picture and survives being killed.

HDF5 writes in place: a process killed in the middle leaves a file that nobody can open. So new pictures go to part
files in `<file>.parts/`, each of which gets its name when it is complete, and at the end one new file is made of the
old one and the parts, and takes the old one's name.
"""

from __future__ import annotations

import contextlib
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
import numpy as np

from superpoint_tf.features.feature_files import INSIDE_DAMAGE, DamagedFeatures, open_features, write_features
from superpoint_tf.features.feature_index import IDENTITY, PICTURE, PLACE, MadeOtherwise, copy_pictures, read_index
from superpoint_tf.features.features import Features
from superpoint_tf.runtime import operating_system, storage

INTERVAL_S = 20.0  # a killed process loses what it found in the last so many seconds


class FeatureArchive:
    """A feature file being filled; `has` knows what is there, `write` adds, leaving the block makes one file."""

    def __init__(
        self, path: str | Path, identity: Mapping[str, Any], overwrite: bool = False, interval_s: float = INTERVAL_S
    ) -> None:
        """Take up what an earlier run, finished or not, has left under this name.

        Raises ValueError if another process is writing it, MadeOtherwise if it holds features of other weights or
        settings, DamagedFeatures, or ValueError if it is not ours. With `overwrite` the old file of ours, damaged or
        made otherwise, stays until the new one takes its name; what is not ours is never replaced.
        """
        self.path, self._interval_s = Path(path), interval_s
        self._identity = json.dumps(identity, sort_keys=True)
        self._folder = self.path.with_name(self.path.name + ".parts")
        self._part: h5py.File | None = None
        self._part_began = 0.0
        self._superseded: list[Path] = []
        with storage.writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            place = self._folder / "lock"
            place.touch()
        try:
            self._lock = operating_system.lock_file(place)
        except OSError as error:
            raise ValueError(f"{self.path}: another process is writing it; wait for it or name another file") from error
        try:
            storage.remove_unfinished(self._folder)
            self._digests: dict[str, str] = {}
            self._places: dict[str, str] = {}
            for file in (self.path, *self._parts()):
                self._take_up(file, overwrite)
        except BaseException:
            self._unlock()
            raise

    def __len__(self) -> int:
        """Return the number of pictures that are there."""
        return len(self._digests)

    def has(self, name: str, sha256: str) -> bool:
        """Tell whether the features of the very picture are there."""
        return self._digests.get(name) == sha256

    @property
    def digests(self) -> Mapping[str, str]:
        """Return, by name, the hash that each picture was stored with; it grows as they are written."""
        return self._digests

    def place(self, name: str) -> str:
        """Return the path of the file that the features of a name came from; empty if nobody knows."""
        return self._places.get(name, "")

    def digests_below(self, folder: str) -> dict[str, str]:
        """Return the hash that each picture below `folder/` was stored with, by name."""
        return {name: digest for name, digest in self._digests.items() if name.startswith(f"{folder}/")}

    def forget(self) -> None:
        """Let everything that is there be replaced by what is written from now on."""
        self._superseded = [file for file in (self.path, *self._parts()) if file.exists()]
        self._digests, self._places = {}, {}

    def write(
        self,
        name: str,
        features: Features,
        image_shape: tuple[int, ...],
        sha256: str,
        path: str = "",
        extra: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Add the features of a picture of (height, width), in place of those of an earlier one of this name.

        `path` is the file that it came from, for `place`; `extra` arrays are stored beside the standard ones. Raises
        WriteError if the disk refuses.
        """
        with storage.writing(self.path):
            self._write(name, features, (image_shape[0], image_shape[1]), sha256, path, extra or {})

    def _write(
        self,
        name: str,
        features: Features,
        image_shape: tuple[int, int],
        sha256: str,
        path: str,
        extra: Mapping[str, np.ndarray],
    ) -> None:
        if self._part is None:
            self._part = open_features(self._folder / f"{secrets.token_hex(4)}{storage.TEMPORARY_SUFFIX}", "a")
            self._part.attrs[IDENTITY] = self._identity
            self._part_began = time.monotonic()
        group = write_features(self._part, name, features, image_shape, **extra)
        group.attrs[PICTURE], group.attrs[PLACE] = sha256, path
        self._digests[name], self._places[name] = sha256, path
        if time.monotonic() - self._part_began >= self._interval_s:
            self._finish_part()

    def merge(self) -> None:
        """Make one file of the old one and the parts; whatever happens meanwhile, both stay until it is complete."""
        with storage.writing(self.path):
            self._finish_part()
            parts = [part for part in self._parts() if part not in self._superseded]
            if not parts:
                return
            for file in self._superseded:
                if file != self.path:
                    file.unlink()
            keeps_old = self.path.exists() and self.path not in self._superseded
            first, *others = [self.path, *parts] if keeps_old else parts
            if others:
                self._join(first, others)
            else:
                operating_system.replace(first, self.path)
            self._superseded = []
            for part in parts:
                part.unlink(missing_ok=True)

    def _join(self, first: Path, others: list[Path]) -> None:
        temporary = self._folder / f"joined{storage.TEMPORARY_SUFFIX}"
        try:
            shutil.copyfile(first, temporary)
            with h5py.File(temporary, "a") as target:
                for part in others:
                    copy_pictures(part, target)
            _synchronise(temporary)
            operating_system.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _take_up(self, file: Path, overwrite: bool) -> None:
        if not file.exists():
            return
        try:
            found = read_index(file)
        except DamagedFeatures as error:
            if not overwrite:
                raise DamagedFeatures(f"{error}, or pass --overwrite") from error
            self._superseded.append(file)
            return
        if found.identity == self._identity:
            self._digests |= found.digests
            self._places |= found.places
        elif overwrite:
            self._superseded.append(file)
        else:
            raise MadeOtherwise(file, found.identity, self._identity)

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
        operating_system.replace(written, self._folder / f"{max(numbers, default=-1) + 1:06d}.h5")

    def _keep_part(self) -> None:
        """Keep what was found for the next time, where the disk allows."""
        with contextlib.suppress(*INSIDE_DAMAGE):
            self._finish_part()

    def _unlock(self) -> None:
        self._lock.close()
        if not self._parts():
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> FeatureArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make one file, unless the disk has failed or nobody wants to wait: the parts are taken up next time.

        Nor does a run that ends early replace what it was to overwrite.
        """
        try:
            ends_early = kind is not None and bool(self._superseded)
            if kind is None or (issubclass(kind, Exception) and not issubclass(kind, OSError) and not ends_early):
                self.merge()
            else:
                self._keep_part()
        finally:
            self._unlock()


def _synchronise(file: Path) -> None:
    """Wait until a file's content is on the disk: a name must not get there before it."""
    with open(file, "rb+") as opened:
        os.fsync(opened.fileno())
