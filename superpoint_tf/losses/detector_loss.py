"""The cross-entropy over cells that trains the detector (paper section 3.3), and what it is divided by."""

from __future__ import annotations

import tensorflow as tf


def detector_loss(logits: tf.Tensor, cell_labels: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy added up over the valid cells, a float32 scalar (paper section 3.3, equation 2).

    logits (B, Hc, Wc, 65); cell_labels (B, Hc, Wc) int 0..64, 64 = no keypoint, or a distribution a cell, float
    (B, Hc, Wc, 65); cells_valid (B, Hc, Wc) bool. Divided by `count_cells` it is the mean, ln 65 for a network that
    knows nothing. Of a distribution its own entropy remains, however well it is learnt.
    """
    weights, logits = tf.cast(cells_valid, tf.float32), tf.cast(logits, tf.float32)
    if cell_labels.shape.rank == 4:
        entropy = tf.nn.softmax_cross_entropy_with_logits(tf.cast(cell_labels, tf.float32), logits)
    else:
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(cell_labels, tf.int32), logits)
    return tf.reduce_sum(entropy * weights)


def count_cells(cells_valid: tf.Tensor) -> tf.Tensor:
    """Return the number by which `detector_loss` is divided, float32, from the mask alone."""
    return tf.reduce_sum(tf.cast(cells_valid, tf.float32))
