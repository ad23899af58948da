"""Batches for maps of features: two views of each picture, where each is known, and points that both show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import (
    ViewSettings,
    corresponding_points,
    frame_shape,
    homography_between,
    sample_seeds,
    two_views,
)
from superpoint_tf.losses.loss_randomness import POINTS, sample_uniforms


@dataclass(frozen=True)
class DenseSettings:
    """What decides how samples become pairs."""

    views: ViewSettings
    points_per_pair: int = 512
    truth: str = "homography"  # a row of TRUTHS


def dense_batch(batch: TensorBatch, key: int, settings: DenseSettings) -> TensorBatch:
    """Make pairs of views and points that correspond.

    `batch` is what workers hand over for pairs (`Source.render`); its keypoints are not looked at. Points are drawn
    uniformly over the picture: a detector's would teach scores where that detector answers.

    Returns `numbers` int64 (B,), `images0/1` float32 (B, H, W, 1) in [0, 1], `homography_0to1` float32 (B, 3, 3),
    `points0/1` float32 (B, N, 2) xy, row by row the same place, NaN where not both views show it (N is a multiple of
    128), `mask0/1` bool (B, H, W), where a view shows the picture, `pictures` int64 (B,), and `loss_seeds` int64
    (B, 2).
    """
    numbers = batch["numbers"]
    return {
        "numbers": numbers,
        "pictures": batch["pictures"],
        "loss_seeds": sample_seeds(key, Purpose.SHIFT, numbers),
        **TRUTHS[settings.truth](batch, key, settings),
    }


def _homography_truth(batch: TensorBatch, key: int, settings: DenseSettings) -> TensorBatch:
    """Return views by homographies of the whole picture, and points that these carry."""
    height, width = frame_shape(batch)
    seeds = sample_seeds(key, Purpose.SHIFT, batch["numbers"])
    drawn = tf.reshape(sample_uniforms(seeds, POINTS, 2 * settings.points_per_pair), (-1, settings.points_per_pair, 2))
    points = drawn * tf.constant([width, height], tf.float32) - 0.5
    view0, view1 = two_views({**batch, "keypoints": points}, key, settings.views)
    points0, points1 = corresponding_points(view0, view1)
    return {
        "images0": view0.images,
        "images1": view1.images,
        "homography_0to1": homography_between(view0, view1) if settings.views.both else view1.homography,
        "points0": points0,
        "points1": points1,
        "mask0": view0.mask,
        "mask1": view1.mask,
    }


TRUTHS: dict[str, Callable[[TensorBatch, int, DenseSettings], TensorBatch]] = {"homography": _homography_truth}
