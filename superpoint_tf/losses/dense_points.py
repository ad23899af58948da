"""What losses of maps see: descriptors and scores read at points that correspond, and what may be whose negative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.detection.maps import place_in_map
from superpoint_tf.geometry.sample import sample
from superpoint_tf.networks.superpoint import normalize_descriptors

Outputs = Mapping[str, tf.Tensor]  # of one view, as the network returns them
Batch = Mapping[str, tf.Tensor]  # of `data.batches.dense_batch`


class DenseSettings(NamedTuple):
    """What a loss of maps may be told; each takes what it knows."""

    margin: float
    radius_px: float  # nearer features, or points, are no negatives
    min_points: int = 32  # a pair with fewer points trains nothing
    first_px: float = 0.0  # where in a view the centre of its first descriptor is, on both axes


class DenseLoss(NamedTuple):
    """One loss of maps, a row of `dense_losses.DENSE_LOSSES`."""

    terms: tuple[str, ...]  # their short names; the first one shows a collapse
    sums: Callable[[Outputs, Outputs, Batch, DenseSettings], dict[str, tf.Tensor]]  # of the two views
    counts: Callable[[Batch, DenseSettings], dict[str, tf.Tensor]]  # float32, of the batch alone
    margin: float = 0.0
    radius_px: float = 0.0
    collapsed: Callable[[DenseSettings], float] | None = None  # mean of the first term where all descriptors are equal


def present_points(batch: Batch) -> tf.Tensor:
    """Tell which rows of a batch are points of both views, bool (B, N)."""
    return tf.reduce_all(tf.math.is_finite(batch["points0"]) & tf.math.is_finite(batch["points1"]), axis=-1)


def usable_points(batch: Batch, min_points: int) -> tf.Tensor:
    """Tell which rows train, bool (B, N): those present of pairs that have `min_points` or more."""
    present = present_points(batch)
    enough = tf.reduce_sum(tf.cast(present, tf.int32), axis=1, keepdims=True) >= min_points
    return present & enough


def count_pairs(batch: Batch, settings: DenseSettings) -> tf.Tensor:
    """Return the number of pairs that have points to train on, float32."""
    return tf.reduce_sum(tf.cast(tf.reduce_any(usable_points(batch, settings.min_points), axis=1), tf.float32))


def count_points(batch: Batch, settings: DenseSettings) -> tf.Tensor:
    """Return the number of points that train, float32."""
    return tf.reduce_sum(tf.cast(usable_points(batch, settings.min_points), tf.float32))


def stride_of(features: tf.Tensor, images: tf.Tensor) -> int:
    """Return how many pixels of a view one of its features (B, h, w, ...) is of: not always what it is at use."""
    return round(int(images.shape[1]) / int(features.shape[1]))


def read_descriptors(features: tf.Tensor, points: tf.Tensor, stride: int, first_px: float) -> tf.Tensor:
    """Return unit descriptors (B, N, D) at points xy (B, N, 2) of a view; zeros where a point is NaN."""
    return normalize_descriptors(sample(normalize_descriptors(features), place_in_map(points, stride, first_px)))


def read_scores(scores: tf.Tensor, points: tf.Tensor, stride: int, first_px: float) -> tf.Tensor:
    """Return scores (B, N) of maps (B, h, w) at points xy (B, N, 2) of a view; 0 where a point is NaN."""
    return sample(scores[..., tf.newaxis], place_in_map(points, stride, first_px))[..., 0]


def far_from_features(points: tf.Tensor, features: tf.Tensor, stride: int, first_px: float, radius: float) -> tf.Tensor:
    """Tell which features (B, h, w, D) are farther than `radius` pixels (square) from points xy: bool (B, N, h w)."""
    height, width = int(features.shape[1]), int(features.shape[2])
    x, y = (stride * tf.range(side, dtype=tf.float32) + first_px for side in (width, height))
    far_x = tf.abs(points[..., 0:1] - x) > radius  # NaN: nowhere
    far_y = tf.abs(points[..., 1:2] - y) > radius
    far = far_y[..., :, tf.newaxis] | far_x[..., tf.newaxis, :]
    return tf.reshape(far, (-1, points.shape[1], height * width))


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return the means of values (B, N) by weights (B, N) that are not negative, (B,); 0 where these are all 0."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights, axis=1), tf.reduce_sum(weights, axis=1))
