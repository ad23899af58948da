"""Peaks of maps at their own resolution: local maxima that are no edges, to a fraction of the map's pixel.

As D2-Net finds them (Dusmanu et al. 2019, section 3.1, and its supplement), and ASLFeat in one map.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

D2_EDGE, ASLFEAT_EDGE = 5.0, 10.0  # largest ratio of the two curvatures
_EPSILON = 1e-8
_OFFSETS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


class Peaks(NamedTuple):
    """Peaks in maps (B, h, w)."""

    scores: tf.Tensor  # (B, h, w), 0 where there is none
    offsets: tf.Tensor  # (B, h, w, 2) xy, from the map's pixel to the peak, each within half of one


def channel_peaks(features: tf.Tensor) -> Peaks:
    """Find D2-Net's hard detections in features (B, h, w, D), of which what is below 0 counts as 0.

    A pixel is one if its largest channel has a 3 x 3 maximum there, no edge (`D2_EDGE`), and a peak less than half a
    pixel away. Scores are that channel's value as a share of the picture's largest.
    """
    features = tf.nn.relu(tf.cast(features, tf.float32))
    strongest = tf.reduce_max(features, -1)
    channel = tf.one_hot(tf.argmax(features, -1), features.shape[-1], dtype=features.dtype)
    around = [tf.reduce_sum(shifted * channel, -1) for shifted in _neighbours(features)]
    largest = tf.reduce_max(strongest, (1, 2), keepdims=True)
    return _peaks(strongest / (largest + _EPSILON), around, D2_EDGE)


def map_peaks(scores: tf.Tensor, edge: float = ASLFEAT_EDGE) -> Peaks:
    """Find the peaks of scores (B, h, w): 3 x 3 maxima that are no edges and less than half a pixel away."""
    scores = tf.cast(scores, tf.float32)
    return _peaks(scores, [shifted[..., 0] for shifted in _neighbours(scores[..., tf.newaxis])], edge)


def _neighbours(features: tf.Tensor) -> list[tf.Tensor]:
    """Return the maps (B, h, w, C) moved by each of `_OFFSETS`; beyond the edge it is repeated."""
    height, width = tf.shape(features)[1], tf.shape(features)[2]
    rows = tf.concat([features[:, :1], features, features[:, -1:]], 1)
    padded = tf.concat([rows[:, :, :1], rows, rows[:, :, -1:]], 2)
    return [padded[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in _OFFSETS]


def _peaks(scores: tf.Tensor, around: list[tf.Tensor], edge: float) -> Peaks:
    """Return the peaks of values whose neighbours, in the order of `_OFFSETS`, are `around`."""
    a, b, c, d, e, f, g, h, i = around
    slope_x, slope_y = 0.5 * (f - d), 0.5 * (h - b)
    xx, yy, xy = d - 2.0 * e + f, b - 2.0 * e + h, 0.25 * (a - c - g + i)
    determinant, trace = xx * yy - xy * xy, xx + yy
    bent = (determinant > 0.0) & (trace < 0.0) & (edge * trace * trace <= (edge + 1.0) ** 2 * determinant)
    safe = tf.where(bent, determinant, tf.ones_like(determinant))
    x, y = (xy * slope_y - yy * slope_x) / safe, (xy * slope_x - xx * slope_y) / safe
    near = (tf.abs(x) < 0.5) & (tf.abs(y) < 0.5)
    is_maximum = tf.reduce_all(tf.stack([e >= value for value in around]), 0)
    found = is_maximum & bent & near & (e > 0.0) & _inside(scores)
    offsets = tf.where(found[..., tf.newaxis], tf.stack([x, y], -1), 0.0)
    return Peaks(tf.where(found, scores, 0.0), offsets)


def _inside(scores: tf.Tensor) -> tf.Tensor:
    """Tell which pixels have all their neighbours: at the outermost ones no slope is known."""
    rows, columns = tf.range(tf.shape(scores)[1])[:, tf.newaxis], tf.range(tf.shape(scores)[2])
    last_row, last_column = tf.shape(scores)[1] - 1, tf.shape(scores)[2] - 1
    return (rows > 0) & (rows < last_row) & (columns > 0) & (columns < last_column)
