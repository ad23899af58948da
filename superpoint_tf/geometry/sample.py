"""Maps read between their pixels: the one bilinear read."""

from __future__ import annotations

import tensorflow as tf


def sample(features: tf.Tensor, points: tf.Tensor, outside: str = "edge") -> tf.Tensor:
    """Read features (B, H, W, C) bilinearly at points xy (B, ..., 2): float32 (B, ..., C).

    Pixel centres are whole numbers. Beyond the outer ones the `edge` is repeated, or there are `zeros`: values fall to
    0 over one pixel, as if the map had a rim of zeros (the sum of Jaderberg et al. 2015, equation 5). A point that is
    not finite gives zeros. Gradients reach both arguments; beyond the edge or the rim that of a point is zero across it.
    """
    features = tf.cast(features, tf.float32)
    points = tf.cast(points, tf.float32)
    if outside == "zeros":
        features, points = tf.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0))), points + 1.0
    batch, height, width, channels = tf.unstack(tf.shape(features))
    places = tf.reshape(points, (batch, -1, 2))
    present = tf.reduce_all(tf.math.is_finite(places), axis=-1, keepdims=True)
    last = tf.cast(tf.stack([width - 1, height - 1]), tf.float32)
    places = tf.clip_by_value(tf.where(present, places, 0.0), 0.0, last)
    # The last pixel is read as the high one of the last pair: weights taken after clipping both would be zero there.
    low = tf.minimum(tf.floor(places), tf.maximum(last - 1.0, 0.0))
    x, y = tf.unstack((places - low)[..., tf.newaxis], axis=2)
    x0, y0 = tf.unstack(tf.cast(low, tf.int32), axis=-1)
    x1, y1 = tf.minimum(x0 + 1, width - 1), tf.minimum(y0 + 1, height - 1)
    flat = tf.reshape(features, (batch, height * width, channels))

    def read(column: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        return tf.gather(flat, row * width + column, batch_dims=1)

    top = (1.0 - x) * read(x0, y0) + x * read(x1, y0)
    bottom = (1.0 - x) * read(x0, y1) + x * read(x1, y1)
    values = tf.where(present, (1.0 - y) * top + y * bottom, 0.0)
    result = tf.reshape(values, tf.concat([tf.shape(points)[:-1], [channels]], axis=0))
    result.set_shape([*points.shape[:-1], features.shape[-1]])  # where it is known, exports want it
    return result
