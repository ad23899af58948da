"""The features of one method on every frame of an evaluation, kept on disk so that nothing is computed twice.

A frame's group is `<setting>/<frame name>`, laid out as `feature_files` says: the strongest keypoints, up to the
setting's budget, with descriptors. The rest, which the repeatability needs because it spends its budget inside the
shared area, follows without descriptors in `weaker_keypoints` and `weaker_scores`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from superpoint_tf.config.differences import differences
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.features import Features
from superpoint_tf.features.feature_archive import FeatureArchive
from superpoint_tf.features.feature_files import DamagedFeatures, read_features
from superpoint_tf.features.feature_index import MadeOtherwise


class FeatureStore:
    """The HDF5 file of one method, open for adding; what was computed otherwise is replaced when it is met.

    The file itself never holds half of anything: see `FeatureArchive`, which keeps what a killed run has found.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any], overwrite: bool = False) -> None:
        """Open or begin the file; `dropped` says why an earlier content will be replaced, or is empty.

        `overwrite` replaces it in any case. Raises ValueError if another process is writing the file, or if it is not
        one of ours: only those are ever replaced.
        """
        self.path, self.dropped = Path(path), ""
        self._setting_identities: dict[str, str] = {}
        try:
            self._archive = FeatureArchive(path, identity)
        except (DamagedFeatures, MadeOtherwise) as error:
            self.dropped = error.difference if isinstance(error, MadeOtherwise) else "the file was damaged"
            self._archive = FeatureArchive(path, identity, overwrite=True)
        if overwrite and len(self._archive):
            self._archive.forget()
            self.dropped = self.dropped or "as asked"

    def open_setting(self, setting: str, protocol: PairProtocol) -> None:
        """Make ready for frames of a setting; features made for another budget, size or suppression are dropped."""
        identity = {
            "image_shape": list(protocol.image_shape),
            "max_keypoints": protocol.max_keypoints,
            "nms_radius_px": protocol.nms_radius_px,
        }
        now = self._setting_identities[setting] = json.dumps(identity)
        for digest in self._archive.digests_below(setting).values():
            before = digest.partition(" ")[2]
            if before != now:
                self.dropped = "; ".join(differences(json.loads(before or "{}"), identity))
                return

    def has(self, name: str, image_sha256: str) -> bool:
        """Tell whether the features of the very frame, made for the present setting, are there."""
        return self._archive.has(name, self._digest(name, image_sha256))

    def write(
        self, name: str, features: Features, image_shape: tuple[int, int], image_sha256: str, max_keypoints: int
    ) -> None:
        """Store a frame's features (suppressed, strongest first)."""
        strongest = features.take(slice(max_keypoints))
        weaker = {}
        if len(features.keypoints) > max_keypoints:
            weaker = {
                "weaker_keypoints": np.asarray(features.keypoints[max_keypoints:], np.float32),
                "weaker_scores": np.asarray(features.scores[max_keypoints:], np.float32),
            }
        self._archive.write(name, strongest, image_shape, self._digest(name, image_sha256), extra=weaker)

    def _digest(self, name: str, image_sha256: str) -> str:
        return f"{image_sha256} {self._setting_identities[name.partition('/')[0]]}"

    def __enter__(self) -> FeatureStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.__exit__(kind, error, trace)


def read_stored(file: h5py.File, name: str) -> Features:
    """Return a frame's features as `measure_pair` takes them: all keypoints, descriptors of the strongest alone."""
    strongest, _ = read_features(file, name)
    group = file[name]
    if "weaker_keypoints" not in group:
        return strongest
    keypoints = np.concatenate([strongest.keypoints, group["weaker_keypoints"][()]])
    scores = np.concatenate([strongest.scores, group["weaker_scores"][()]])
    return Features(keypoints, scores, strongest.descriptors)
