"""Descriptors of crops about keypoints, by the parts of LIFT and LF-Net that see crops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from superpoint_tf.detection.scale_space import SUPPORT
from superpoint_tf.features import Features
from superpoint_tf.geometry.patches import build_levels, cut_patches, keypoint_frames
from superpoint_tf.models.inference import with_few_counts
from superpoint_tf.systems import CropSpec

_BATCH = 512  # crops that are cut and seen at a time


class CropDescriber:
    """What finds the orientation of keypoints, where a system has a network for it, and their descriptors."""

    def __init__(self, network: tf.keras.Model, spec: CropSpec) -> None:
        self._parts = {
            name: _compiled(network.get_layer(name), part.side_px) for name, part in spec.patch_parts.items()
        }
        self._sides = {name: part.side_px for name, part in spec.patch_parts.items()}
        self._dimension = int(network.output["descriptors"].shape[-1])

    def describe(self, image: np.ndarray, features: Features) -> Features:
        """Return features with sizes of a grey image float32 (H, W) in [0, 1] with descriptors (N, D).

        A crop is a square of six diameters, beyond the image its reflection. Where the orientation is a network's, it
        sees the crop upright, and the features get its angles.
        """
        levels = build_levels(image) if len(features.keypoints) else []
        if "orientation" in self._parts:
            upright = features._replace(angles_deg=np.zeros(len(features.keypoints), np.float32))
            towards = self._see("orientation", levels, upright, 2)
            features = features._replace(
                angles_deg=np.rad2deg(np.arctan2(towards[:, 1], towards[:, 0])) % np.float32(360)
            )
        return features._replace(descriptors=self._see("descriptor", levels, features, self._dimension))

    def _see(self, part: str, levels: list[np.ndarray], features: Features, dimension: int) -> np.ndarray:
        assert features.sizes is not None and features.angles_deg is not None  # their maps, or the part before, say so
        keypoints = features.keypoints.astype(np.float64)
        frames = keypoint_frames(keypoints, SUPPORT / 2 * features.sizes, features.angles_deg)
        found = [np.zeros((0, dimension), np.float32)]
        for start in range(0, len(frames), _BATCH):
            crops = cut_patches(levels, frames[start : start + _BATCH], self._sides[part])
            found.append(self._parts[part](tf.constant(crops[..., np.newaxis])).numpy())
        return np.concatenate(found)


def _compiled(part: tf.keras.Model, side_px: int) -> Callable[[tf.Tensor], tf.Tensor]:
    crops = tf.TensorSpec((None, side_px, side_px, 1), tf.float32)
    run = tf.function(lambda seen: part(seen, training=False), input_signature=[crops], autograph=False)
    return with_few_counts(run.get_concrete_function())
