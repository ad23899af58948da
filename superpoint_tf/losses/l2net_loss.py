"""The three parts of L2-Net's loss (Tian et al., L2-Net, CVPR 2017, section 3.3).

The paper adds up sums over a batch of p points; here each is given as costs of points whose sum it is, so that all are
divided by p together and their shares stay the paper's.
"""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.losses.distance_matrix import distances, wide
from superpoint_tf.losses.patch_points import LossSettings, Points, mean_over, spread

_NO_GAIN = -1e9  # of a negative that does not exist: its exponential is zero
_LEAST_VARIANCE = 1e-12  # of a number of the descriptor, times p


def similarity(points: Points, settings: LossSettings) -> tf.Tensor:
    """E1: -log(exp(-d+) / sum of exp(-d)) over the point and all negatives, mean of both directions."""
    return _cross_entropy(-distances(points.first, points.second), points.negatives)


def compactness(points: Points, settings: LossSettings) -> tf.Tensor:
    """E2: half the squared correlations of all pairs of numbers of the descriptor over the points, both patches."""
    counted = points.counted
    total = tf.add_n([_squared_correlations(wide(each), counted) for each in (points.first, points.second)]) / 2.0
    return spread(total / tf.maximum(tf.reduce_sum(tf.cast(counted, total.dtype)), 1.0), counted)


def intermediate(points: Points, settings: LossSettings) -> tf.Tensor:
    """E3: as E1, of the inner products of features within the network; the layers are added up."""
    products = [tf.matmul(wide(first), wide(second), transpose_b=True) for first, second in points.taps]
    return tf.add_n([_cross_entropy(product, points.negatives) for product in products])


def _cross_entropy(similarities: tf.Tensor, negatives: tf.Tensor) -> tf.Tensor:
    true = tf.linalg.diag_part(similarities)
    both = tf.stack([similarities, tf.transpose(similarities)], axis=1)  # (N, 2, N): of a_i to b, of b_i to a
    allowed = tf.stack([negatives, tf.transpose(negatives)], axis=1)
    gains = tf.where(allowed, both - true[:, tf.newaxis, tf.newaxis], tf.cast(_NO_GAIN, true.dtype))
    return tf.reduce_mean(tf.nn.softplus(tf.reduce_logsumexp(gains, axis=-1)), axis=-1)


def _squared_correlations(vectors: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    centred = tf.where(counted[:, tf.newaxis], vectors - mean_over(vectors, counted), tf.zeros_like(vectors))
    unit = centred * tf.math.rsqrt(tf.reduce_sum(tf.square(centred), axis=0) + _LEAST_VARIANCE)
    correlations = tf.matmul(unit, unit, transpose_a=True)
    return tf.reduce_sum(tf.square(tf.linalg.set_diag(correlations, tf.zeros_like(correlations[0]))))
