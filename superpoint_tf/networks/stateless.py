"""Random numbers as pure functions of a seed: the same on every device, compiled by XLA or not."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

STEPS = 2**24  # that float32 tells apart in [0, 1)


def numbered_seeds(word: int, numbers: tf.Tensor) -> tf.Tensor:
    """Return stateless seeds int64 (B, 2) of sample numbers (B,): a first word that they share, and the number."""
    numbers = tf.cast(numbers, tf.int64)
    return tf.stack([tf.fill(tf.shape(numbers), tf.constant(word, tf.int64)), numbers], axis=1)


def fold_in(seed: tf.Tensor, part: int) -> tf.Tensor:
    """Return the seed (2,) of one of several things that are drawn by a seed."""
    return tf.random.experimental.stateless_fold_in(seed, tf.constant(part, seed.dtype), alg="philox")


def draw_steps(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Draw int32 of a shape from 0 to `STEPS` - 1: whole numbers, since XLA makes other floats of the same bits."""
    return tf.random.stateless_uniform(shape, seed, 0, STEPS, tf.int32, alg="philox")


def to_unit_interval(drawn: tf.Tensor) -> tf.Tensor:
    """Return what `draw_steps` gave as float32 in [0, 1)."""
    return tf.cast(drawn, tf.float32) / STEPS
