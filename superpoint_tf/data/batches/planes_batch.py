"""Batches for maps of features whose views show scenes of planes: what `dense_batch` gives, made by the workers."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import sample_seeds, to_unit


def planes_batch(batch: TensorBatch, key: int, settings: None) -> TensorBatch:
    """Turn what `PlanePairs` hands over into what `dense_batch` returns; there is no homography, it is NaN.

    `mask0` is true everywhere; `mask1` is not where view 1 shows nothing of view 0.
    """
    numbers = batch["numbers"]
    return {
        "numbers": numbers,
        "pictures": batch["pictures"],
        "loss_seeds": sample_seeds(key, Purpose.SHIFT, numbers),
        "images0": to_unit(batch["images"])[..., tf.newaxis],
        "images1": to_unit(batch["images1"])[..., tf.newaxis],
        "homography_0to1": tf.fill((numbers.shape[0], 3, 3), float("nan")),
        "points0": batch["points0"],
        "points1": batch["points1"],
        "mask0": tf.ones_like(batch["mask1"]),
        "mask1": batch["mask1"],
    }
