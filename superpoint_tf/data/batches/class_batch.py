"""Batches of photographs as classes: two views of each, and which photograph it is."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.views import ViewSettings, two_views


def class_batch(batch: TensorBatch, key: int, settings: ViewSettings) -> TensorBatch:
    """Make two views of each photograph; its keypoints are not looked at.

    `batch` is what workers hand over for pairs (`Source.render`). Returns `numbers` int64 (B,), `images0/1` float32 (B,
    H, W, 1) in [0, 1], and `pictures` int64 (B,), the class of both views.
    """
    no_points = tf.zeros((batch["images"].shape[0] or tf.shape(batch["images"])[0], 0, 2))
    view0, view1 = two_views({**batch, "keypoints": no_points}, key, settings)
    return {
        "numbers": batch["numbers"],
        "images0": view0.images,
        "images1": view1.images,
        "pictures": batch["pictures"],
    }
