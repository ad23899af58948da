"""Batches of patches that a set holds already: given the names and the units of those that are cut."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.patch_batch import is_first
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import sample_seeds, to_unit


def set_batch(batch: TensorBatch, key: int, settings: Any) -> TensorBatch:
    """Return what `patch_batch` returns, of patches that workers hand over (`set_source.render_points`).

    Of several rows of one point the first counts. Nothing is known of where points lie: each has a picture of its own,
    so that all others are its negatives.
    """
    points = batch["point"]
    valid = is_first(points)
    return {
        "numbers": batch["numbers"],
        "loss_seeds": sample_seeds(key, Purpose.SHIFT, batch["numbers"]),
        "patches0": to_unit(batch["patches0"])[..., tf.newaxis],
        "patches1": to_unit(batch["patches1"])[..., tf.newaxis],
        "point": tf.where(valid, points, -1),
        "picture": points,
        "position": tf.zeros((points.shape[0], 2)),
        "valid": valid,
    }
