"""Losses on the mean and the variance over a batch (Kumar et al., Global Loss, CVPR 2016; Zhang et al., ICCV 2017)."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.losses.distance_matrix import row_distances, wide
from superpoint_tf.losses.patch_points import LossSettings, Points, mean_over, spread

MEANS_WEIGHT = 0.8  # lambda; it and the margin below from memory of the paper
_EMBEDDING_MARGIN = 0.4  # t, of squared distances over 4, which are between 0 and 1 for vectors of unit length


def global_loss(near: tf.Tensor, far: tf.Tensor, counted: tf.Tensor, margin: float) -> tf.Tensor:
    """Return var(near) + var(far) + .8 max(0, mean(near) - mean(far) + margin), a scalar.

    near and far (N,): distances of positives and of negatives (J1), or minus their scores (J3); `counted` bool (N,).
    """
    means = [mean_over(values, counted) for values in (near, far)]
    variances = [mean_over(tf.square(values - mean), counted) for values, mean in zip((near, far), means, strict=True)]
    return tf.add_n(variances) + MEANS_WEIGHT * tf.nn.relu(means[0] - means[1] + margin)


def embedding_loss(points: Points, settings: LossSettings) -> tf.Tensor:
    """J1: the global loss of squared distances over 4, each point with one negative."""
    near, far = (
        row_distances(points.first, other, squared=True) / 4.0
        for other in (points.second, tf.gather(points.second, points.partners))
    )
    counted = points.counted
    return spread(global_loss(near, far, counted, _EMBEDDING_MARGIN), counted)


def orthogonality(points: Points, settings: LossSettings) -> tf.Tensor:
    """GOR: mean(p)^2 + max(0, mean(p^2) - 1 / D), p the inner product of a point and its negative.

    Those of vectors spread evenly over the sphere have these moments (Zhang et al. 2017, equation 8).
    """
    first, negative = wide(points.first), wide(tf.gather(points.second, points.partners))
    products, counted = tf.reduce_sum(first * negative, axis=-1), points.counted
    excess = tf.nn.relu(mean_over(tf.square(products), counted) - 1.0 / first.shape[-1])
    return spread(tf.square(mean_over(products, counted)) + excess, counted)
