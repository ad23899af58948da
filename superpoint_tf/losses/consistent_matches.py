"""FCSS's weak supervision: what two maps agree on both ways are the positives; nobody says what corresponds.

(Kim et al. 2017, section 4.3.) Points of a grid are matched to the other map and back; those that come home within a
few pixels, the cheapest of them, train against random others by a softmax.
"""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.losses.dense_points import Batch, DenseLoss, DenseSettings, Outputs, stride_of, weighted_mean
from superpoint_tf.losses.loss_randomness import PARTNERS, sample_uniforms
from superpoint_tf.networks.superpoint import normalize_descriptors

HOME_PX = 6.0  # sum of the axes
POSITIVES = 64  # a pair, at most
NEGATIVES = 3  # each
GRID_STEP = 2  # features
_FAR = 1e3


def consistency(outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings) -> dict[str, tf.Tensor]:
    """Return the sum over pairs of the mean cross-entropy of their positives; 0 of a pair without any.

    Similarity is 1 - |a - b|^2 of unit descriptors. `radius_px` is how near to its start a match must come home.
    Matches are looked for within both masks.
    """
    grids = [_grid(outputs["descriptors"], batch, view) for view, outputs in enumerate((outputs0, outputs1))]
    (first, places, inside0), (second, _, inside1) = grids
    similar = 2.0 * tf.matmul(first, second, transpose_b=True) - 1.0  # 1 - |a - b|^2
    matches, usable, order = consistent_matches(tf.stop_gradient(similar), places, inside0, inside1, settings.radius_px)
    chosen = tf.gather(similar, order, axis=1, batch_dims=1)  # (B, P, M): rows of the positives
    partners = tf.gather(matches, order, axis=1, batch_dims=1)
    count = second.shape[1]
    drawn = sample_uniforms(batch["loss_seeds"], PARTNERS, order.shape[1] * NEGATIVES) * count
    negatives = tf.reshape(tf.cast(drawn, tf.int32), (-1, order.shape[1], NEGATIVES))
    columns = tf.concat([partners[..., tf.newaxis], negatives], axis=-1)
    scores = tf.gather(chosen, columns, axis=2, batch_dims=2)
    # A negative that is the partner itself says nothing.
    same = tf.concat([tf.zeros_like(partners[..., tf.newaxis], tf.bool), negatives == partners[..., tf.newaxis]], -1)
    costs = tf.reduce_logsumexp(tf.where(same, -_FAR, scores), axis=-1) - scores[..., 0]
    return {"desc": tf.reduce_sum(weighted_mean(costs, tf.cast(usable, costs.dtype)))}


def consistent_matches(
    similar: tf.Tensor, places: tf.Tensor, inside0: tf.Tensor, inside1: tf.Tensor, home_px: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the matches of points by their similarities (B, N, M): partners int32 (B, N), and the rows to train on.

    `places` xy (N, 2) are the points', `inside0` (B, N) and `inside1` (B, M) tell which may match. Of the points that
    the way there and back brings home within `home_px` (sum of both axes) the POSITIVES most similar are the rows
    int32 (B, P), and bool (B, P) tells which of these there are.
    """
    allowed = tf.where(inside0[:, :, tf.newaxis] & inside1[:, tf.newaxis], similar, -_FAR)
    there = tf.argmax(allowed, axis=2, output_type=tf.int32)
    back = tf.argmax(allowed, axis=1, output_type=tf.int32)
    home = tf.gather(back, there, batch_dims=1)
    way = tf.reduce_sum(tf.abs(tf.gather(places, home) - places), axis=-1)
    best = tf.reduce_max(allowed, axis=2)
    consistent = (way <= home_px) & inside0 & (best > -_FAR)
    value, order = tf.math.top_k(tf.where(consistent, best, -_FAR), min(POSITIVES, similar.shape[1]))
    return there, value > -_FAR, order


def _grid(features: tf.Tensor, batch: Batch, view: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return unit descriptors (B, N, D) on a grid, its places in the view xy (N, 2), and which the mask has (B, N)."""
    stride = stride_of(features, batch[f"images{view}"]) * GRID_STEP
    unit = normalize_descriptors(features[:, ::GRID_STEP, ::GRID_STEP])
    height, width = int(unit.shape[1]), int(unit.shape[2])
    mask = batch[f"mask{view}"][:, ::stride, ::stride][:, :height, :width]
    x, y = tf.meshgrid(tf.range(width), tf.range(height))
    places = stride * tf.cast(tf.reshape(tf.stack([x, y], axis=-1), (-1, 2)), tf.float32)
    count = height * width
    return tf.reshape(unit, (-1, count, unit.shape[-1])), places, tf.reshape(mask, (-1, count))


def _count_pairs(batch: Batch, settings: DenseSettings) -> dict[str, tf.Tensor]:
    return {"desc": tf.cast(tf.shape(batch["mask0"])[0], tf.float32)}


CONSISTENCY = DenseLoss(("desc",), consistency, _count_pairs, radius_px=HOME_PX)
