"""The losses; each returns a sum and a count, which add over replicas and accumulation steps before the division."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.consistency import consistency_loss, count_consistency, move_images, sample_moves
from superpoint_tf.correspondences import choose_correspondences, count_correspondences
from superpoint_tf.descriptor_loss import collapsed_descriptor_loss, count_pairs, descriptor_loss
from superpoint_tf.keypoint_loss import collapsed_keypoint_loss, keypoint_loss

__all__ = [
    "choose_correspondences",
    "collapsed_descriptor_loss",
    "collapsed_keypoint_loss",
    "consistency_loss",
    "count_cells",
    "count_consistency",
    "count_correspondences",
    "count_pairs",
    "descriptor_loss",
    "detector_loss",
    "keypoint_loss",
    "move_images",
    "sample_moves",
]


def detector_loss(logits: tf.Tensor, cell_labels: tf.Tensor, cells_valid: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the cross-entropy added up over the valid cells, and their number (paper section 3.3, equation 2).

    logits (B, Hc, Wc, 65); cell_labels (B, Hc, Wc) int 0..64, 64 = no keypoint, or a distribution a cell, float
    (B, Hc, Wc, 65); cells_valid (B, Hc, Wc) bool. Both results are float32 scalars; their quotient is the mean, ln 65
    for a network that knows nothing. Of a distribution its own entropy remains, however well it is learnt.
    """
    weights, logits = tf.cast(cells_valid, tf.float32), tf.cast(logits, tf.float32)
    if cell_labels.shape.rank == 4:
        entropy = tf.nn.softmax_cross_entropy_with_logits(tf.cast(cell_labels, tf.float32), logits)
    else:
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(cell_labels, tf.int32), logits)
    return tf.reduce_sum(entropy * weights), count_cells(cells_valid)


def count_cells(cells_valid: tf.Tensor) -> tf.Tensor:
    """Return the number by which `detector_loss` is divided, float32, from the mask alone."""
    return tf.reduce_sum(tf.cast(cells_valid, tf.float32))
