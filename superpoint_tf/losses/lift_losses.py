"""LIFT's losses of the detector and of pairs (Yi et al., ECCV 2016, section 3); the descriptor's is mined pairs."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.losses.distance_matrix import row_distances

KEYPOINT_WEIGHT, EMPTY_WEIGHT = 1 / 6, 1 / 2  # of P1, P2 and P3 each, and of P4


def soft_maximum(maps: tf.Tensor) -> tf.Tensor:
    """Return log(mean(exp(maps))) of maps (P, H, W): (P,), between the mean and the maximum."""
    flat = tf.reshape(maps, (tf.shape(maps)[0], -1))
    return tf.reduce_logsumexp(flat, axis=-1) - tf.math.log(tf.cast(tf.shape(flat)[1], flat.dtype))


def squared_hinge(scores: tf.Tensor, label: float) -> tf.Tensor:
    """Return max(0, 1 - label x score)^2, label 1 for a keypoint and -1 for none."""
    return tf.square(tf.nn.relu(1.0 - label * scores))


def class_loss(scores0: tf.Tensor, scores1: tf.Tensor, partners: tf.Tensor, empty: tf.Tensor) -> tf.Tensor:
    """Return the loss (P,) of the soft maxima of P1, P2 (P,) and P4 `empty` (P,); P3 is `scores1` at `partners`.

    It is the sum of squared hinges, weighted by 1/6, 1/6, 1/6 and 1/2.
    """
    third = tf.gather(scores1, partners)
    keypoints = tf.add_n([squared_hinge(each, 1.0) for each in (scores0, scores1, third)])
    return KEYPOINT_WEIGHT * keypoints + EMPTY_WEIGHT * squared_hinge(empty, -1.0)


def pair_loss(vectors0: tf.Tensor, vectors1: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return the distances of descriptors (P, D) row by row, added up over the rows that count."""
    return tf.reduce_sum(tf.where(counted, row_distances(vectors0, vectors1), 0.0))
