"""Random numbers that a loss draws for a sample: a pure function of the sample's seeds and of what they are for."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.networks.stateless import draw_steps, fold_in, to_unit_interval

# Purposes: numbers with different ones are independent.
MOVE, CHOICE, POINTS, PARTNERS, SWAPS, SYMMETRIES = range(6)
STEREO_POINTS = 64  # which points of a pair, and how their patches are cut


def sample_uniforms(seeds: tf.Tensor, purpose: int, count: int | tf.Tensor) -> tf.Tensor:
    """Draw float32 (B, count) in [0, 1) from stateless `seeds` (B, 2); a larger count only adds numbers to a row.

    A row depends on its own seeds alone, so it is the same in whatever part of a batch the sample is.
    """

    def row(seed: tf.Tensor) -> tf.Tensor:
        return draw_steps([count], fold_in(seed, purpose))

    size = count if isinstance(count, int) else None
    drawn = tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec([size], tf.int32))
    return to_unit_interval(drawn)
