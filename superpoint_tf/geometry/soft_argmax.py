"""The soft-argmax: where a map is large, as a mean of places that gradients reach."""

from __future__ import annotations

import tensorflow as tf


def soft_argmax(maps: tf.Tensor, strength: float) -> tf.Tensor:
    """Return the mean place xy float32 (B, 2) of maps (B, H, W), each pixel weighted by exp(strength x value).

    (Yi et al., LIFT, ECCV 2016, equation 2.)
    """
    maps = tf.cast(maps, tf.float32)
    shape = tf.shape(maps)
    weights = tf.reshape(tf.nn.softmax(strength * tf.reshape(maps, (shape[0], -1)), axis=-1), shape)
    x = tf.reduce_sum(weights * tf.range(tf.cast(shape[2], tf.float32)), (1, 2))
    y = tf.reduce_sum(weights * tf.range(tf.cast(shape[1], tf.float32))[:, tf.newaxis], (1, 2))
    return tf.stack([x, y], axis=-1)


def soft_argmax_about(maps: tf.Tensor, pixels: tf.Tensor, radius_px: int, strength: float) -> tf.Tensor:
    """Return the soft-argmax xy float32 (B, N, 2) of maps (B, H, W) in the windows about pixels xy int32 (B, N, 2).

    A window has 2 radius + 1 pixels a side; what lies outside the map counts for nothing.
    """
    maps = tf.cast(maps, tf.float32)
    height, width = tf.shape(maps)[1], tf.shape(maps)[2]
    offsets = tf.range(-radius_px, radius_px + 1)
    dy, dx = tf.meshgrid(offsets, offsets, indexing="ij")
    steps = tf.stack([tf.reshape(dx, [-1]), tf.reshape(dy, [-1])], axis=-1)
    places = pixels[:, :, tf.newaxis] + steps  # (B, N, W, 2)
    limits = tf.stack([width - 1, height - 1])
    inside = tf.reduce_all((places >= 0) & (places <= limits), axis=-1)
    within = tf.clip_by_value(places, 0, limits)
    values = tf.gather_nd(maps, within[..., ::-1], batch_dims=1)
    weights = tf.nn.softmax(tf.where(inside, strength * values, tf.float32.min), axis=-1)
    return tf.reduce_sum(weights[..., tf.newaxis] * tf.cast(within, tf.float32), axis=2)
