"""Peaks drawn into heatmaps of the picture's size, each so that its place between the pixels can be read again.

A peak spreads over its four nearest pixels by their bilinear weights, divided by the largest of these: the nearest
pixel has its score, and the mean of the pixels about it, which `detection.refinement` takes, is its place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from superpoint_tf.detection.peaks import Peaks

_BANNED_PX = (
    2.0  # about a peak of a smaller picture, in pixels of that one: half of what a feature of D2-Net stands for
)


def draw_peaks(peaks: Peaks, stride: int, first_px: float, image_shape: Any) -> tf.Tensor:
    """Draw peaks of maps (B, h, w) into heatmaps (B, H, W); pixel i of the maps is `stride` i + `first_px`.

    Elementwise operations alone, which every exported format has.
    """
    top = math.floor(first_px - (stride - 1) / 2)  # of the square of pixels that the map's first pixel stands for
    height, width = tf.shape(peaks.scores)[1], tf.shape(peaks.scores)[2]
    inner = [tf.cast(tf.range(stride * side) + top, tf.float32) for side in (height, width)]
    rows, columns = _centres(height, stride, first_px), _centres(width, stride, first_px)
    x, y = peaks.offsets[..., 0] * stride + columns, peaks.offsets[..., 1] * stride + rows[:, tf.newaxis]
    drawn = tf.zeros(())
    for dy, dx in itertools.product((-1, 0, 1), repeat=2):  # peaks of the squares around reach into a square
        scores, px, py = (_enlarged(_moved(value, dy, dx), stride) for value in (peaks.scores, x, y))
        share = _share(inner[1], px) * _share(inner[0][:, tf.newaxis], py)
        drawn = tf.maximum(drawn, scores * share)
    return _cut(drawn, top, image_shape)


def _centres(count: tf.Tensor, stride: int, first_px: float) -> tf.Tensor:
    return stride * tf.cast(tf.range(count), tf.float32) + first_px


def _share(pixels: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Return the bilinear weight of a pixel for a place, along one axis, over that of the nearest pixel."""
    return tf.nn.relu(1.0 - tf.abs(pixels - places)) / (1.0 - tf.abs(places - tf.floor(places + 0.5)))


def _moved(values: tf.Tensor, dy: int, dx: int) -> tf.Tensor:
    """Return maps (B, h, w) moved down and right by at most a pixel; zeros come in."""
    height, width = tf.shape(values)[1], tf.shape(values)[2]
    padded = tf.pad(values, ((0, 0), (1, 1), (1, 1)))
    return padded[:, 1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]


def _enlarged(values: tf.Tensor, stride: int) -> tf.Tensor:
    """Return maps (B, h, w) with every pixel as a square of `stride` pixels."""
    if stride == 1:
        return values
    copies = tf.tile(values[..., tf.newaxis], (1, 1, 1, stride * stride))
    return tf.nn.depth_to_space(copies, stride)[..., 0]


def _cut(drawn: tf.Tensor, top: int, image_shape: Any) -> tf.Tensor:
    """Cut or fill up what begins at pixel (top, top) to a picture's frame."""
    drawn = drawn[:, max(-top, 0) :, max(-top, 0) :]
    before = max(top, 0)
    shape = tf.shape(drawn)
    after = [tf.maximum(image_shape[axis] - shape[axis + 1] - before, 0) for axis in (0, 1)]
    drawn = tf.pad(drawn, [[0, 0], *([before, each] for each in after)])
    return drawn[:, : image_shape[0], : image_shape[1]]


def join_peaks(heatmaps: Sequence[tf.Tensor]) -> tf.Tensor:
    """Join drawn peaks of several looks at one picture, (B, h, w) each, on the frame of the largest.

    As D2-Net does (section 4.3 and its code): from the smallest picture to the largest, a peak counts only where no
    smaller picture had one within about half a pixel of its features, and the scores of the n-th are divided by n.
    """
    if len(heatmaps) == 1:
        return heatmaps[0]
    shapes = sorted({tuple(heatmap.shape[1:3]) for heatmap in heatmaps}, key=math.prod)
    joined = tf.zeros((heatmaps[0].shape[0] or 1, *shapes[-1]))
    banned = tf.zeros_like(joined, tf.bool)
    for number, shape in enumerate(shapes, 1):
        looks = [heatmap for heatmap in heatmaps if tuple(heatmap.shape[1:3]) == shape]
        drawn, radius_px = (
            _redrawn(tf.reduce_max(tf.stack(looks), 0), shapes[-1]),
            _BANNED_PX * shapes[-1][0] / shape[0],
        )
        drawn = tf.where(banned, 0.0, drawn) / number
        joined = tf.maximum(joined, drawn)
        side = 2 * round(radius_px) + 1
        banned |= tf.nn.max_pool2d(drawn[..., tf.newaxis], side, 1, "SAME")[..., 0] > 0.0
    return joined


def _redrawn(drawn: tf.Tensor, image_shape: tuple[int, int]) -> tf.Tensor:
    """Draw the peaks of a heatmap (B, h, w) again into a larger frame, between its pixels."""
    if tuple(drawn.shape[1:3]) == image_shape:
        return drawn
    around = tf.pad(drawn, ((0, 0), (1, 1), (1, 1)))
    height, width = drawn.shape[1], drawn.shape[2]
    parts = {
        (dy, dx): around[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        for dy, dx in itertools.product((-1, 0, 1), repeat=2)
    }
    is_peak = (drawn > 0.0) & (drawn >= tf.reduce_max(tf.stack(list(parts.values())), 0))
    total = tf.add_n(list(parts.values()))
    moments = [tf.add_n([step[axis] * value for step, value in parts.items()]) for axis in (1, 0)]
    found = tf.where(is_peak)
    batch, row, column = tf.unstack(found, axis=1)
    shift_x, shift_y = (tf.gather_nd(moment, found) / tf.gather_nd(total, found) for moment in moments)
    x = (tf.cast(column, tf.float32) + shift_x + 0.5) * (image_shape[1] / width) - 0.5
    y = (tf.cast(row, tf.float32) + shift_y + 0.5) * (image_shape[0] / height) - 0.5
    canvas = tf.zeros((tf.shape(drawn)[0], *image_shape))
    scores = tf.gather_nd(drawn, found)
    for dy, dx in itertools.product((0.0, 1.0), repeat=2):
        pixel_x, pixel_y = tf.floor(x) + dx, tf.floor(y) + dy
        share = _share(pixel_x, x) * _share(pixel_y, y)
        inside = (pixel_x >= 0) & (pixel_y >= 0) & (pixel_x < image_shape[1]) & (pixel_y < image_shape[0])
        places = tf.stack([batch, tf.cast(pixel_y, tf.int64), tf.cast(pixel_x, tf.int64)], 1)
        kept = tf.boolean_mask(places, inside)
        canvas = tf.tensor_scatter_nd_max(canvas, kept, tf.boolean_mask(scores * share, inside))
    return canvas
