"""Samples as one batch: arrays by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Batch = dict[str, np.ndarray]  # as workers hand it over
TensorBatch = dict[str, "tf.Tensor"]  # in TensorFlow's graphs


def pad_keypoints(keypoints: Iterable[np.ndarray]) -> np.ndarray:
    """Stack keypoints (N_i, 2), or two other numbers of each, to float32 (B, max N_i, 2), absent ones NaN."""
    keypoints = list(keypoints)
    padded = np.full((len(keypoints), max((len(k) for k in keypoints), default=0), 2), np.nan, np.float32)
    for row, points in zip(padded, keypoints, strict=True):
        row[: len(points)] = points
    return padded


def stack_samples(numbers: list[int], images: list[np.ndarray], keypoints: list[np.ndarray]) -> Batch:
    """Return `numbers` int64 (B,), `images` uint8 (B, H, W) and `keypoints` of samples."""
    return {"numbers": np.array(numbers, np.int64), "images": np.stack(images), "keypoints": pad_keypoints(keypoints)}
