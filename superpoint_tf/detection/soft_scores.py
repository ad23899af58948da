"""Scores of every place of a map that gradients pass through: D2-Net's soft detection."""

from __future__ import annotations

import tensorflow as tf

_EPSILON = 1e-6


def d2_scores(features: tf.Tensor) -> tf.Tensor:
    """Return D2-Net's soft detection scores (B, h, w) of features (B, h, w, D), which add up to 1 (equations 5 to 8).

    What is below 0 counts as 0, the rest is divided by the picture's largest value. The score of a channel is
    exp(x) / (the sum of exp over 3 x 3 pixels) times x / (the largest x of the pixel's channels, plus an epsilon).
    Different from the authors' code, which pads with ones and so raises scores at the frame: beyond the frame nothing
    counts, and sums there are scaled to nine pixels.
    """
    features = tf.nn.relu(tf.cast(features, tf.float32))
    features = features / (tf.reduce_max(features, (1, 2, 3), keepdims=True) + _EPSILON)
    exponentials = tf.exp(features)
    local = exponentials / (9.0 * tf.nn.avg_pool2d(exponentials, 3, 1, "SAME"))  # its mean is over pixels that exist
    ratio = features / (tf.reduce_max(features, -1, keepdims=True) + _EPSILON)
    scores = tf.reduce_max(local * ratio, -1)
    return tf.math.divide_no_nan(scores, tf.reduce_sum(scores, (1, 2), keepdims=True))
