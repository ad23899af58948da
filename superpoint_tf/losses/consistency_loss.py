"""The loss on what the detector says of a picture and of the same picture moved by some pixels.

The grid of 8x8 cells stays where it is while the picture moves, so a keypoint comes to lie elsewhere in its cell, or in
another one; the detector should find it all the same.
"""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import CELL
from superpoint_tf.geometry.cells import cells_valid as whole_cells
from superpoint_tf.losses.loss_randomness import MOVE, sample_uniforms

_FARTHEST = CELL - 1  # a move by a whole cell changes nothing but the edges
_SIDE = 2 * _FARTHEST + 1
_NEARLY_CERTAIN = 1.0 - 1e-6


def sample_moves(seeds: tf.Tensor) -> tf.Tensor:
    """Sample a move xy int32 (B, 2) for each row of stateless seeds (B, 2): -7 to 7 px along each axis, never none."""
    count = _SIDE**2 - 1
    index = tf.cast(sample_uniforms(seeds, MOVE, 1)[:, 0] * count, tf.int32)
    index = tf.where(index >= count // 2, index + 1, index)  # the one in the middle is no move
    return tf.stack([index % _SIDE, index // _SIDE], axis=1) - _FARTHEST


def move_images(images: tf.Tensor, moves: tf.Tensor) -> tf.Tensor:
    """Move images (B, H, W, ...) by whole pixels xy int32 (B, 2) to the right and down; the edge is repeated."""
    height, width = images.shape[1], images.shape[2]
    rows = tf.clip_by_value(tf.range(height) - moves[:, 1:], 0, height - 1)
    columns = tf.clip_by_value(tf.range(width) - moves[:, :1], 0, width - 1)
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def consistency_loss(logits: tf.Tensor, moved_logits: tf.Tensor, moves: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Return the disagreement added up over the pixels that count, a float32 scalar.

    logits (B, Hc, Wc, 65) of pictures and of `move_images` of them, moves xy int32 (B, 2), cells_valid (B, Hc, Wc) bool
    of the unmoved ones. With p(x) and q(x) the probabilities of a keypoint at pixel x before and after the move, the
    latter moved back, and m their mean, through which no gradient goes, a pixel costs
        KL(m || p) / 2 + KL(m || q) / 2
    of the Bernoulli distributions; nothing where both agree. Its gradient with respect to the log odds of p is
    (p - q) / 4: each is drawn to the other, and neither to fewer keypoints. A pixel counts if it lies in a valid cell
    before the move and after it.
    """
    counted = _counted_pixels(moves, cells_valid)
    both = [_log_probabilities(logits), move_images(_log_probabilities(moved_logits), -moves)]
    target = tf.stop_gradient(tf.exp(both[0]) / 2.0 + tf.exp(both[1]) / 2.0)
    own = tf.math.xlogy(target, target) + tf.math.xlog1py(1.0 - target, -target)
    losses = own + (_cross_entropy(target, both[0]) + _cross_entropy(target, both[1])) / 2.0
    return tf.reduce_sum(tf.where(counted, losses, 0.0))


def count_consistency(moves: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Return the number by which `consistency_loss` is divided, float32, from moves and mask alone.

    In cells of 64 pixels, as that of the detector loss.
    """
    return tf.reduce_sum(tf.cast(_counted_pixels(moves, cells_valid), tf.float32)) / CELL**2


def _log_probabilities(logits: tf.Tensor) -> tf.Tensor:
    """Return the logarithms of what `logits_to_heatmap` returns, (B, H, W)."""
    logarithms = tf.nn.log_softmax(tf.cast(logits, tf.float32), axis=-1)[..., :-1]
    return tf.nn.depth_to_space(logarithms, CELL)[..., 0]


def _cross_entropy(target: tf.Tensor, log_probability: tf.Tensor) -> tf.Tensor:
    without = tf.math.log1p(-tf.minimum(tf.exp(log_probability), _NEARLY_CERTAIN))
    return -target * log_probability - (1.0 - target) * without


def _counted_pixels(moves: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Tell which pixels are in a valid cell before and after the move, bool (B, H, W) in the unmoved picture."""
    valid = _pixels_of(cells_valid)
    moved_valid = _pixels_of(whole_cells(_moved_mask(valid, moves)))
    return valid & _moved_mask(moved_valid, -moves)


def _pixels_of(cells: tf.Tensor) -> tf.Tensor:
    return tf.repeat(tf.repeat(cells, CELL, axis=1), CELL, axis=2)


def _moved_mask(mask: tf.Tensor, moves: tf.Tensor) -> tf.Tensor:
    """Move a mask bool (B, H, W); what comes in from outside is False."""
    rows = tf.range(mask.shape[1]) - moves[:, 1:]
    columns = tf.range(mask.shape[2]) - moves[:, :1]
    inside_rows, inside_columns = (rows >= 0) & (rows < mask.shape[1]), (columns >= 0) & (columns < mask.shape[2])
    return move_images(mask, moves) & inside_rows[:, :, tf.newaxis] & inside_columns[:, tf.newaxis, :]
