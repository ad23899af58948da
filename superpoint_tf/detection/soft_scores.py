"""Scores of every place of a map that gradients pass through: D2-Net's soft detection, ASLFeat's peakiness."""

from __future__ import annotations

import math
from collections.abc import Mapping

import tensorflow as tf

CONSTANT_PEAKINESS = math.log(2.0) ** 2  # of a constant map, everywhere
_EPSILON = 1e-6
# A level's name, its stride, how far its map's neighbours are apart, and its weight: the deepest has the largest
LEVELS = (("level_0", 1, 3, 1.0), ("level_1", 2, 2, 2.0), ("level_2", 4, 1, 3.0))


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


def peakiness(features: tf.Tensor, step: int = 1) -> tf.Tensor:
    """Return ASLFeat's peakiness (B, h, w) of features (B, h, w, C) (section 3.3).

    Over the channels the largest product of softplus(x - the mean of 3 x 3 pixels, `step` apart) and softplus(x - the
    mean of the channels). The map is reflected at its frame; of a constant map it is ln^2 2 everywhere.
    """
    features = tf.cast(features, tf.float32)
    around = features
    for axis in (1, 2):
        around = _mean_of_three(around, axis, step)
    peak = tf.nn.softplus(features - around)
    ratio = tf.nn.softplus(features - tf.reduce_mean(features, -1, keepdims=True))
    return tf.reduce_max(peak * ratio, -1)


def _mean_of_three(features: tf.Tensor, axis: int, step: int) -> tf.Tensor:
    """Return the mean of each pixel and those `step` before and after it along an axis, reflected at the frame."""
    length = tf.shape(features)[axis]
    places, last = tf.range(length), length - 1
    before, after = tf.abs(places - step), last - tf.abs(last - places - step)
    inside = (tf.clip_by_value(index, 0, last) for index in (before, after))  # of a map narrower than the step
    return (features + tf.add_n([tf.gather(features, index, axis=axis) for index in inside])) / 3.0


def peakiness_scores(outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Return scores (B, H, W) of the levels among the outputs: the mean of their peakiness by `LEVELS`' weights.

    (ASLFeat's multi-level detection, section 3.3.) A level of stride s is read bilinearly: its pixel i is pixel s i.
    """
    there = [(outputs[name], *rest) for name, *rest in LEVELS if name in outputs]
    weighted = [weight * enlarge(peakiness(features, step), stride) for features, stride, step, weight in there]
    return tf.add_n(weighted) / sum(weight for *_, weight in there)


def enlarge(scores: tf.Tensor, factor: int) -> tf.Tensor:
    """Return maps (B, factor h, factor w) whose pixel `factor` i is pixel i of (B, h, w), linear between them.

    Beyond the last pixel its value stays.
    """
    for axis in (1, 2):
        if factor > 1:
            scores = _enlarged(scores, factor, axis)
    return scores


def _enlarged(scores: tf.Tensor, factor: int, axis: int) -> tf.Tensor:
    rest, last = (scores[:, 1:], scores[:, -1:]) if axis == 1 else (scores[:, :, 1:], scores[:, :, -1:])
    after = tf.concat([rest, last], axis)
    parts = [(1.0 - part / factor) * scores + part / factor * after for part in range(factor)]
    shape = tf.shape(scores)
    sides = [factor * shape[1], shape[2]] if axis == 1 else [shape[1], factor * shape[2]]
    return tf.reshape(tf.stack(parts, axis + 1), [shape[0], *sides])
