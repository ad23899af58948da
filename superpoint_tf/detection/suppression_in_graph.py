"""Non-maximum suppression as a graph of operations that every exported format has."""

from __future__ import annotations

import tensorflow as tf


def suppress_heatmap(scores: tf.Tensor, radius_px: int) -> tf.Tensor:
    """Keep of non-negative scores (B, H, W) what greedy non-maximum suppression keeps; the rest becomes zero.

    A pixel is kept as soon as none that remains within `radius_px` (square) comes before it: a higher score, or an
    equal one in a row above or further left. It removes its square, until nothing remains: what the greedy order gives,
    whole neighbourhoods at a time. The turns are as many as the longest chain of pixels that wait for each other.
    """
    if radius_px == 0:
        return scores

    def something_remains(remaining: tf.Tensor, kept: tf.Tensor) -> tf.Tensor:
        return tf.reduce_max(remaining) > 0.0

    def keep_first(remaining: tf.Tensor, kept: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chosen = _first_of_square(remaining, radius_px)
        near = _window_max(_window_max(chosen, -radius_px, radius_px, 2), -radius_px, radius_px, 1)
        return tf.where(near > 0.0, 0.0, remaining), tf.maximum(kept, chosen)

    shape = tf.TensorShape([None, *scores.shape[1:]])
    start = (scores, tf.zeros_like(scores))
    return tf.while_loop(something_remains, keep_first, start, shape_invariants=(shape, shape))[1]


def _first_of_square(scores: tf.Tensor, radius: int) -> tf.Tensor:
    """Keep the scores that come first in the square of `radius` around them: highest, then row, then column."""
    in_row = _window_max(scores, -radius, radius, 2)
    before = tf.maximum(_window_max(in_row, -radius, -1, 1), _window_max(scores, -radius, -1, 2))
    is_first = (scores > before) & (scores >= _window_max(in_row, -radius, radius, 1))
    return tf.where(is_first, scores, 0.0)


def _window_max(values: tf.Tensor, first: int, last: int, axis: int) -> tf.Tensor:
    """Return the maximum of non-negative values (B, H, W) over the offsets `first` to `last` along rows or columns.

    Zeros lie outside. Doubling windows: elementwise maxima are fast in every runtime, pooling of one channel is not.
    """
    padding = [[0, 0], [0, 0], [0, 0]]
    padding[axis] = [max(-first, 0), max(last, 0)]
    values = tf.pad(values, padding)
    size = last - first + 1
    covered = 1
    while covered < size:
        step = min(covered, size - covered)
        values = tf.maximum(_cut(values, axis, slice(None, -step)), _cut(values, axis, slice(step, None)))
        covered += step
    return values if last >= 0 else _cut(values, axis, slice(None, last))


def _cut(values: tf.Tensor, axis: int, part: slice) -> tf.Tensor:
    return values[:, part] if axis == 1 else values[:, :, part]
