"""The features of one method on every frame of an evaluation, kept on disk so that nothing is computed twice.

A frame's group is `<setting>/<frame name>`, laid out as `feature_files` says: the strongest keypoints, up to the
setting's budget, with descriptors. The rest, which the repeatability needs because it spends its budget inside the
shared area, follows without descriptors in `weaker_keypoints` and `weaker_scores`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from superpoint_tf.evaluation.measures import PairProtocol
from superpoint_tf.feature_files import (
    INSIDE_DAMAGE,
    DamagedFeatures,
    damaged,
    open_features,
    read_features,
    write_features,
)
from superpoint_tf.features import Features

_IDENTITY, _FRAME = "identity", "image_sha256"  # attributes of the file and of each setting; of each frame


class FeatureStore:
    """The HDF5 file of one method, open for adding; what was computed otherwise, or half, is dropped when it is met."""

    def __init__(self, path: str | Path, identity: Mapping[str, Any], overwrite: bool = False) -> None:
        """Open or create the file; `dropped` says why an earlier content was deleted, or is empty.

        `overwrite` deletes it in any case. Raises ValueError if another process is writing the file, or if it is not
        one of ours: only those are ever deleted.
        """
        self.path, self.dropped = Path(path), ""
        now = json.dumps(identity, sort_keys=True)
        try:
            self._file = open_features(path, "a")
        except DamagedFeatures:  # killed while writing
            self._begin_again("the file was damaged")
        before = self._file.attrs.get(_IDENTITY)
        if before is None and len(self._file):
            self._file.close()
            raise ValueError(f"{path}: holds features that this tool did not write; move it or choose another --output")
        if before is not None and (overwrite or before != now):
            self._file.close()
            self._begin_again("as asked" if before == now else _describe_change(before, now))
        self._file.attrs[_IDENTITY] = now

    def _begin_again(self, reason: str) -> None:
        os.unlink(self.path)
        self._file, self.dropped = open_features(self.path, "a"), reason

    def open_setting(self, setting: str, protocol: PairProtocol) -> None:
        """Make ready for frames of a setting; features made for another budget, size or suppression are dropped."""
        identity = {
            "image_shape": list(protocol.image_shape),
            "max_keypoints": protocol.max_keypoints,
            "nms_radius_px": protocol.nms_radius_px,
        }
        group, now = self._file.require_group(setting), json.dumps(identity)
        before = group.attrs.get(_IDENTITY)
        if before != now and len(group):
            self.dropped = _describe_change(before, now)
            for name in list(group):
                del group[name]
        group.attrs[_IDENTITY] = now

    def has(self, name: str, image_sha256: str) -> bool:
        """Tell whether the features of the very frame are there, complete."""
        try:
            group = self._file.get(name)
            return group is not None and group.attrs.get(_FRAME) == image_sha256
        except INSIDE_DAMAGE as error:
            raise damaged(f"{self.path}: {name}", error) from error

    def write(
        self, name: str, features: Features, image_shape: tuple[int, int], image_sha256: str, max_keypoints: int
    ) -> None:
        """Store a frame's features (suppressed, strongest first); they are safe from a kill when this returns."""
        strongest = features.take(slice(max_keypoints))
        weaker = {}
        if len(features.keypoints) > max_keypoints:
            weaker = {
                "weaker_keypoints": np.asarray(features.keypoints[max_keypoints:], np.float32),
                "weaker_scores": np.asarray(features.scores[max_keypoints:], np.float32),
            }
        try:
            group = write_features(self._file, name, strongest, image_shape, **weaker)
            group.attrs[_FRAME] = image_sha256  # last: a group without it is unfinished
            self._file.flush()
        except (RuntimeError, KeyError, ValueError) as error:  # an OSError is the disk's, not the file's
            raise damaged(f"{self.path}: {name}", error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_stored(file: h5py.File, name: str) -> Features:
    """Return a frame's features as `measure_pair` takes them: all keypoints, descriptors of the strongest alone."""
    strongest, _ = read_features(file, name)
    group = file[name]
    if "weaker_keypoints" not in group:
        return strongest
    keypoints = np.concatenate([strongest.keypoints, group["weaker_keypoints"][()]])
    scores = np.concatenate([strongest.scores, group["weaker_scores"][()]])
    return Features(keypoints, scores, strongest.descriptors)


def _describe_change(before_text: str | None, now_text: str) -> str:
    before, now = json.loads(before_text) if before_text else {}, json.loads(now_text)
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return ", ".join(f"{key}: {before.get(key, 'unknown')} became {now.get(key, 'nothing')}" for key in changed)
