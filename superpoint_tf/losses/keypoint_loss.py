"""The loss on descriptors read where they are used: between the cells, at corresponding points of two views.

Beside the paper's hinge over cells, which asks for similar descriptors up to `positive_radius_px` away, this one asks
for the right point among all others: as cross-entropy in both directions (contrastive, InfoNCE: van den Oord et al.
2018, equation 4) or with the hardest negative alone (HardNet: Mishchuk et al. 2017, equation 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import CELL, JointSection
from superpoint_tf.detection.maps import sample_descriptors
from superpoint_tf.geometry.cells import cell_centres
from superpoint_tf.losses.correspondences import Correspondences, count_correspondences
from superpoint_tf.networks.superpoint import normalize_descriptors

_NO_LOGIT = -1e9
_NO_SIMILARITY = -1e4  # farther than any: a row without negatives costs nothing
_ROUNDING = 1e-6  # keeps the slope of a distance finite where two descriptors are equal


class _Targets(NamedTuple):
    """Where the points of one view may be looked for in the other; M points, N cells a picture."""

    points: tf.Tensor  # (B, M, 2)
    present: tf.Tensor  # bool (B, M)
    cells_valid: tf.Tensor  # bool (B, Hc, Wc)


def keypoint_loss(
    descriptors0: tf.Tensor,
    descriptors1: tf.Tensor,
    correspondences: Correspondences,
    cells_valid0: tf.Tensor,
    cells_valid1: tf.Tensor,
    config: JointSection,
) -> tf.Tensor:
    """Return the loss added up over all correspondences in both directions.

    descriptors (B, Hc, Wc, D) as they leave the network; they are read as `sample_descriptors` reads them. A point's
    negatives in the other view are the other points farther than `keypoint_radius_px` from the true one; with
    `keypoint_negatives` `map` also the descriptors of its valid cells whose centres are farther from the true point
    than that and than 8 px (what is nearer takes part in the reading there; what takes part and is farther weighs less
    than a tenth); with `batch` also the points of the other pictures. A tensor has B M (M + N) numbers, with `batch`
    B M (B M + N).

    `softmax`: -log(exp(s / T) / (exp(s / T) + sum of exp(s_n / T))), similarities s of the true point, s_n of the
    negatives. `hardest`: max(0, margin + d - min d_n), distances d. The result is a float32 scalar, zero without a
    correspondence, to be divided by `count_correspondences`.
    """
    maps = [normalize_descriptors(descriptors) for descriptors in (descriptors0, descriptors1)]
    read = [sample_descriptors(maps[view], correspondences[view]) for view in (0, 1)]
    targets = _targets(correspondences, cells_valid0, cells_valid1)
    true = tf.reduce_sum(read[0] * read[1], axis=-1)
    form = KEYPOINT_LOSSES[config.keypoint_loss].costs
    total = tf.zeros(())
    for view in (0, 1):
        other = 1 - view
        similarity = _similarities(read[view], read[other], maps[other], config)
        losses = form(true, similarity, _negatives(targets[other], config), config)
        total += tf.reduce_sum(tf.where(correspondences.present, losses, 0.0))
    return total


def collapsed_keypoint_loss(
    correspondences: Correspondences, cells_valid0: tf.Tensor, cells_valid1: tf.Tensor, config: JointSection
) -> tf.Tensor:
    """Return the mean loss of descriptors that are all equal: log of the number of candidates, or the margin."""
    total = tf.zeros(())
    for targets in _targets(correspondences, cells_valid0, cells_valid1):
        number = tf.reduce_sum(tf.cast(_negatives(targets, config), tf.float32), axis=-1)
        one = KEYPOINT_LOSSES[config.keypoint_loss].collapsed(number, config)
        total += tf.reduce_sum(tf.where(correspondences.present, one, 0.0))
    return tf.math.divide_no_nan(total, count_correspondences(correspondences))


def _targets(correspondences: Correspondences, cells_valid0: tf.Tensor, cells_valid1: tf.Tensor) -> list[_Targets]:
    return [
        _Targets(points, correspondences.present, cells_valid)
        for points, cells_valid in zip(correspondences[:2], (cells_valid0, cells_valid1), strict=True)
    ]


def _similarities(read: tf.Tensor, others: tf.Tensor, other_map: tf.Tensor, config: JointSection) -> tf.Tensor:
    """Multiply descriptors (B, M, D) with all that may be candidates: (B, M, M or B M, and N with a map)."""
    if config.keypoint_negatives == "keypoints":
        return tf.matmul(read, others, transpose_b=True)
    shape, dimension = tf.shape(other_map), other_map.shape[-1]
    cells = tf.reshape(other_map, (shape[0], shape[1] * shape[2], dimension))
    if config.keypoint_negatives == "map":
        return tf.matmul(read, tf.concat([others, cells], axis=1), transpose_b=True)
    everywhere = tf.einsum("bmd,nd->bmn", read, tf.reshape(others, (-1, dimension)))
    return tf.concat([everywhere, tf.matmul(read, cells, transpose_b=True)], axis=-1)


def _negatives(targets: _Targets, config: JointSection) -> tf.Tensor:
    """Tell which of the candidates, in the order of `_similarities`, are negatives of each point."""
    points, present, cells_valid = targets
    radius_px = config.keypoint_radius_px
    negatives = _farther(points, points, radius_px) & present[:, tf.newaxis, :]
    if config.keypoint_negatives == "keypoints":
        return negatives
    if config.keypoint_negatives == "batch":
        number, rows = tf.shape(present)[0], present.shape[1]
        same_picture = tf.eye(number, dtype=tf.bool)[:, tf.newaxis, :, tf.newaxis]
        negatives = tf.where(same_picture, negatives[:, :, tf.newaxis, :], present[tf.newaxis, tf.newaxis])
        negatives = tf.reshape(negatives, (number, rows, number * rows))
    shape = cells_valid.shape if None not in cells_valid.shape[1:] else tf.shape(cells_valid)
    centres = cell_centres((shape[1] * CELL, shape[2] * CELL))[tf.newaxis]
    valid = tf.reshape(cells_valid, (-1, 1, shape[1] * shape[2]))
    return tf.concat([negatives, _farther(points, centres, max(radius_px, float(CELL))) & valid], axis=-1)


def _farther(points: tf.Tensor, others: tf.Tensor, radius_px: float) -> tf.Tensor:
    """Tell which of `others` (B or 1, N, 2) are farther than the radius from points (B, M, 2): bool (B, M, N).

    What is NaN is not.
    """
    squared_x = tf.square(points[:, :, tf.newaxis, 0] - others[:, tf.newaxis, :, 0])
    squared_y = tf.square(points[:, :, tf.newaxis, 1] - others[:, tf.newaxis, :, 1])
    return squared_x + squared_y > radius_px**2


def _cross_entropy(true: tf.Tensor, similarity: tf.Tensor, negatives: tf.Tensor, config: JointSection) -> tf.Tensor:
    logit = true / config.keypoint_temperature
    others = tf.where(negatives, similarity / config.keypoint_temperature, _NO_LOGIT)
    return tf.reduce_logsumexp(tf.concat([logit[..., tf.newaxis], others], axis=-1), axis=-1) - logit


def _hinge_of_hardest(true: tf.Tensor, similarity: tf.Tensor, negatives: tf.Tensor, config: JointSection) -> tf.Tensor:
    hardest = tf.reduce_max(tf.where(negatives, similarity, _NO_SIMILARITY), axis=-1)
    return tf.nn.relu(config.keypoint_margin + _distance(true) - _distance(hardest))


def _distance(similarity: tf.Tensor) -> tf.Tensor:
    """Return the distance of unit descriptors of this similarity."""
    return tf.sqrt(tf.nn.relu(2.0 - 2.0 * similarity) + _ROUNDING)


class _Form(NamedTuple):
    """One of the losses."""

    costs: Callable[[tf.Tensor, tf.Tensor, tf.Tensor, JointSection], tf.Tensor]
    collapsed: Callable[[tf.Tensor, JointSection], tf.Tensor]  # of equal descriptors, from the number of negatives


KEYPOINT_LOSSES: dict[str, _Form] = {
    "softmax": _Form(_cross_entropy, lambda number, config: tf.math.log(1.0 + number)),
    "hardest": _Form(_hinge_of_hardest, lambda number, config: config.keypoint_margin * tf.sign(number)),
}
