"""UCN's correspondence contrastive loss: corresponding points together, and a wrong place of the other view away.

(Choy et al. 2016, section 3.1.) Features are read bilinearly at the points; the wrong place is the nearest feature of
the whole other map that is far enough from the right one (hard), or any such feature (random).
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from superpoint_tf.losses.dense_points import (
    Batch,
    DenseLoss,
    DenseSettings,
    Outputs,
    count_points,
    far_from_features,
    read_descriptors,
    stride_of,
    usable_points,
)
from superpoint_tf.losses.loss_randomness import PARTNERS, sample_uniforms
from superpoint_tf.networks.superpoint import normalize_descriptors

MARGIN = 1.0
RADIUS_PX = 16.0
_ROUNDING = 1e-6  # keeps the slope of a distance finite where two descriptors are equal


def hard_correspondence(
    outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings
) -> dict[str, tf.Tensor]:
    """Return the sum over points of 1/4 (d+^2 + max(0, m - d-)^2), d- to the nearest feature beyond `radius_px`.

    Divided by the points it is equation 1, 1 / (2 N) over N = 2 pairs a point. The radius is square.
    """
    positive, cosines, far = _compared(outputs0, outputs1, batch, settings)
    closest = tf.reduce_max(tf.where(far, cosines, -1.0), axis=-1)
    return _contrastive(positive, closest, tf.reduce_any(far, axis=-1), batch, settings)


def random_correspondence(
    outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings
) -> dict[str, tf.Tensor]:
    """Return the same with a feature drawn at random; one within `radius_px` of the right place costs nothing."""
    positive, cosines, far = _compared(outputs0, outputs1, batch, settings)
    count, features = cosines.shape[1], cosines.shape[2]
    drawn = tf.cast(sample_uniforms(batch["loss_seeds"], PARTNERS, count) * features, tf.int32)
    chosen = tf.gather(cosines, drawn, axis=2, batch_dims=2)
    return _contrastive(positive, chosen, tf.gather(far, drawn, axis=2, batch_dims=2), batch, settings)


def _compared(
    outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return d+^2 (B, N), cosines of the points of view 0 to all features of view 1 (B, N, h w), and which are far."""
    maps = outputs0["descriptors"], outputs1["descriptors"]
    strides = [stride_of(maps[view], batch[f"images{view}"]) for view in (0, 1)]
    first, second = (
        read_descriptors(maps[view], batch[f"points{view}"], strides[view], settings.first_px) for view in (0, 1)
    )
    far = far_from_features(batch["points1"], maps[1], strides[1], settings.first_px, settings.radius_px)
    unit = normalize_descriptors(maps[1])
    flat = tf.reshape(unit, (-1, int(unit.shape[1]) * int(unit.shape[2]), unit.shape[-1]))
    return tf.reduce_sum(tf.square(first - second), axis=-1), tf.matmul(first, flat, transpose_b=True), far


def _contrastive(
    positive: tf.Tensor, cosines: tf.Tensor, exists: tf.Tensor, batch: Batch, settings: DenseSettings
) -> dict[str, tf.Tensor]:
    distances = tf.sqrt(tf.nn.relu(2.0 - 2.0 * cosines) + _ROUNDING)
    negative = tf.where(exists, tf.square(tf.nn.relu(settings.margin - distances)), 0.0)
    usable = usable_points(batch, settings.min_points)
    return {"desc": tf.reduce_sum(tf.where(usable, positive + negative, 0.0)) / 4.0}


def _row(sums: Callable[[Outputs, Outputs, Batch, DenseSettings], dict[str, tf.Tensor]]) -> DenseLoss:
    return DenseLoss(
        ("desc",),
        sums,
        lambda batch, settings: {"desc": count_points(batch, settings)},
        MARGIN,
        RADIUS_PX,
        lambda settings: settings.margin**2 / 4.0,
    )


HARD_CORRESPONDENCE, RANDOM_CORRESPONDENCE = _row(hard_correspondence), _row(random_correspondence)
