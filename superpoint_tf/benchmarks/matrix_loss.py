"""The descriptor loss with matrices of all pairs of cells: what the blockwise form is compared with."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import CELL, JointSection
from superpoint_tf.geometry.cells import cell_centres
from superpoint_tf.geometry.warp import warp_points
from superpoint_tf.losses.descriptor_loss import RADIUS_SLACK_PX, scaled_positive_weight
from superpoint_tf.networks.superpoint import normalize_descriptors


def matrix_loss(
    descriptors0: tf.Tensor,
    descriptors1: tf.Tensor,
    homography_0to1: tf.Tensor,
    cells_valid0: tf.Tensor,
    cells_valid1: tf.Tensor,
    config: JointSection,
) -> tf.Tensor:
    """Return the sum of the hinge loss as `descriptor_loss` does; ordinary gradients, memory (B, N, N)."""
    batch, height, width, dim = descriptors0.shape
    rows, columns = (
        tf.reshape(normalize_descriptors(d), (batch, height * width, dim)) for d in (descriptors0, descriptors1)
    )
    centres = cell_centres((height * CELL, width * CELL))
    offset = warp_points(centres, homography_0to1)[:, :, tf.newaxis] - centres
    positive = tf.reduce_sum(tf.square(offset), axis=-1) <= (config.positive_radius_px + RADIUS_SLACK_PX) ** 2
    similarity = tf.matmul(rows, columns, transpose_b=True)
    weight = scaled_positive_weight(config, (height, width), similarity.dtype)
    attract = weight * tf.nn.relu(config.positive_margin - similarity)
    repel = tf.nn.relu(similarity - config.negative_margin)
    counted = tf.reshape(cells_valid0, (batch, -1, 1)) & tf.reshape(cells_valid1, (batch, 1, -1))
    loss = tf.where(counted, tf.where(positive, attract, repel), 0.0)
    return tf.reduce_sum(loss)
