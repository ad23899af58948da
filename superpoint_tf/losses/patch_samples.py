"""How rows of a batch of patches become samples: which other point is a negative, which patch is first, how it lies.

What is random is a function of the seeds of the pictures alone, (B, 2), each of which has P / B rows.
"""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.losses.loss_randomness import PARTNERS, SWAPS, SYMMETRIES, sample_uniforms

_NUM_SYMMETRIES = 8


def draw_partners(negatives: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Draw a negative of each point, each with the same chance: its row, int32 (P,); row 0 where there is none.

    negatives bool (P, P), as `losses.distance_matrix.negatives_in` returns them.
    """
    number = tf.reduce_sum(tf.cast(negatives, tf.int32), axis=1)
    chosen = tf.cast(_draw(seeds, PARTNERS, negatives) * tf.cast(number, tf.float32), tf.int32)
    places = tf.cumsum(tf.cast(negatives, tf.int32), axis=1)  # the first column with n of them has the n-th
    return tf.argmax(places == chosen[:, tf.newaxis] + 1, axis=1, output_type=tf.int32)


def swap_patches(patches0: tf.Tensor, patches1: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Exchange the two patches (P, S, S, 1) of half of the points."""
    swapped = tf.reshape(_draw(seeds, SWAPS, patches0) < 0.5, (-1, 1, 1, 1))
    return tf.where(swapped, patches1, patches0), tf.where(swapped, patches0, patches1)


def turn_patches(patches0: tf.Tensor, patches1: tf.Tensor, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Turn by quarters and mirror the patches (P, S, S, 1): one of the eight symmetries a point, for both alike."""
    number = tf.cast(_NUM_SYMMETRIES * _draw(seeds, SYMMETRIES, patches0), tf.int32)
    return symmetry(patches0, number), symmetry(patches1, number)


def symmetry(patches: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Return patches (P, S, S, 1) under the symmetries int32 (P,) of 0 to 7.

    Bit 0 mirrors left and right, then bit 1 up and down, then bit 2 exchanges rows and columns.
    """
    bits = [tf.reshape(tf.bitwise.right_shift(number, bit) % 2 == 1, (-1, 1, 1, 1)) for bit in range(3)]
    patches = tf.where(bits[0], tf.reverse(patches, [2]), patches)
    patches = tf.where(bits[1], tf.reverse(patches, [1]), patches)
    return tf.where(bits[2], tf.transpose(patches, (0, 2, 1, 3)), patches)


def _draw(seeds: tf.Tensor, purpose: int, rows: tf.Tensor) -> tf.Tensor:
    """Draw a number in [0, 1) for every row of a batch, float32 (P,)."""
    return tf.reshape(sample_uniforms(seeds, purpose, rows.shape[0] // seeds.shape[0]), (-1,))
