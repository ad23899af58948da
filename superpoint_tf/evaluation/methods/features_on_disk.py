"""Features that another program wrote as a method: HDF5 in the layout of `feature_files`, a group an image.

A frame's features are looked for under three names: `<setting>/<frame>` and `<setting>/<frame>.png`, as
`--write-images` writes the frames; then the original's path below the data folder, such as `v_graf/1.ppm`, whose
keypoints are brought into the frame, so that features of whole pictures serve every setting. A file should hold all
keypoints that were found, not the strongest: repeatability spends its budget inside the area that both views show.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from superpoint_tf.data.photographs.orientation import turn_angles
from superpoint_tf.detection.suppression import suppress_keypoints
from superpoint_tf.evaluation.feature_store import read_stored
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import in_frame, open_features, read_features
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.runtime import storage


@dataclass(frozen=True)
class FeaturesOnDisk:
    """A feature file of another program."""

    path: Path
    identity: dict[str, Any]
    _file: h5py.File

    def find(self, view: View, setting: str, protocol: PairProtocol) -> Features:
        """Return a view's features with the protocol's suppression, strongest first.

        Raises ValueError naming the file and the names looked for if it has none, or if they are of another size.
        """
        frame_shape = (view.image.shape[0], view.image.shape[1])
        for name in (f"{setting}/{view.name}", f"{setting}/{view.name}.png"):
            if name in self._file:
                _, shape = read_features(self._file, name)
                _check_shape(shape, frame_shape, f"{self.path}: {name}")
                return _suppress(read_stored(self._file, name), frame_shape, protocol.nms_radius_px)
        origin = view.origin
        if origin is None or origin.path not in self._file:
            names = f"{setting}/{view.name}" + (f", {setting}/{view.name}.png or {origin.path}" if origin else "")
            raise ValueError(f"{self.path}: no features under {names}; extract from every image (see --write-images)")
        features, shape = read_features(self._file, origin.path)
        _check_shape(shape, origin.image_shape, f"{self.path}: {origin.path}")
        features = features.scaled(warp_points_numpy(features.keypoints, origin.to_frame), _scale(origin.to_frame))
        features = features._replace(angles_deg=turn_angles(features.angles_deg, origin.to_frame[:2, :2]))
        return _suppress(features, frame_shape, protocol.nms_radius_px)


def load_features_on_disk(path: str) -> FeaturesOnDisk:
    """Open a feature file; raises FileNotFoundError or ValueError naming it."""
    file = open_features(path)
    return FeaturesOnDisk(Path(path), {"from": path, "sha256": storage.sha256_file(path)}, file)


def _suppress(features: Features, frame_shape: tuple[int, int], nms_radius_px: int) -> Features:
    """Keep what lies in the frame and survives suppression; descriptors may be there for the strongest alone."""
    inside = np.flatnonzero(in_frame(features.keypoints, frame_shape))
    kept = inside[suppress_keypoints(features.keypoints[inside], features.scores[inside], nms_radius_px)]
    described = features.descriptors
    if described is not None:
        described = described[kept[kept < len(described)]]
    return features._replace(descriptors=None).take(kept)._replace(descriptors=described)


def _scale(to_frame: np.ndarray) -> float:
    """Return by how much lengths grow from the picture to the frame cut from it."""
    return float(np.sqrt(abs(np.linalg.det(to_frame[:2, :2]))))


def _check_shape(found: tuple[int, int] | None, expected: tuple[int, int], where: str) -> None:
    if found is not None and found != expected:
        sizes = f"{found[1]}x{found[0]}, the picture is {expected[1]}x{expected[0]}"
        raise ValueError(f"{where}: image_size is {sizes}; extract from the pictures of this set")
