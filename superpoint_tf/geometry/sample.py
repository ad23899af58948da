"""Maps read between their pixels: the one bilinear read."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def sample(
    features: tf.Tensor,
    points: tf.Tensor,
    outside: str = "edge",
    prepare: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> tf.Tensor:
    """Read features (B, H, W, C) bilinearly at points xy (B, ..., 2): float32 (B, ..., C).

    Pixel centres are whole numbers. Beyond the outer ones the `edge` is repeated, or there are `zeros`: values fall to
    0 over one pixel, as if the map had a rim of zeros (the sum of Jaderberg et al. 2015, equation 5). A point that is
    not finite gives zeros. `prepare` changes the vectors (..., C) of the four pixels around a point before they are
    weighted, which costs less than to change the whole map where points are few. Gradients reach both arguments; beyond
    edge or rim that of a point is zero across it.
    """
    features = tf.cast(features, tf.float32)
    points = tf.cast(points, tf.float32)
    if outside == "zeros":
        features, points = tf.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0))), points + 1.0
    batch, height, width, channels = tf.unstack(tf.shape(features))
    x, y = tf.unstack(tf.reshape(points, (batch, -1, 2)), axis=-1)  # apart: arrays of pairs take twice the time
    present = tf.math.is_finite(x) & tf.math.is_finite(y)
    column, x = _split(tf.where(present, x, 0.0), width)
    row, y = _split(tf.where(present, y, 0.0), height)
    right, below = tf.minimum(1, width - 1), width * tf.minimum(1, height - 1)
    flat = tf.reshape(features, (batch, height * width, channels))

    def read(step: tf.Tensor | int) -> tf.Tensor:
        return prepare(tf.gather(flat, row * width + column + step, batch_dims=1))

    x, y = x[..., tf.newaxis], y[..., tf.newaxis]
    top = (1.0 - x) * read(0) + x * read(right)
    bottom = (1.0 - x) * read(below) + x * read(below + right)
    values = tf.where(present[..., tf.newaxis], (1.0 - y) * top + y * bottom, 0.0)
    result = tf.reshape(values, tf.concat([tf.shape(points)[:-1], [channels]], axis=0))
    result.set_shape([*points.shape[:-1], features.shape[-1]])  # where it is known, exports want it
    return result


def _split(places: tf.Tensor, side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the pixel before each place along an axis of this length, and how far behind it the place is, in [0, 1].

    The last pixel is read as the second of the last pair: weights taken after clipping both would be zero there.
    """
    last = tf.cast(side - 1, tf.float32)
    places = tf.clip_by_value(places, 0.0, last)
    low = tf.minimum(tf.floor(places), tf.maximum(last - 1.0, 0.0))
    return tf.cast(low, tf.int32), places - low
