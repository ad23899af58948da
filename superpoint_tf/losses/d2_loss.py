"""D2-Net's loss: a triplet of each correspondence with the hardest feature of the other map, weighted by scores.

(Dusmanu et al. 2019, section 4.) And the warm-up that training from random weights needs: all features are negatives.
"""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.detection.soft_scores import d2_scores
from superpoint_tf.losses.dense_points import (
    Batch,
    DenseLoss,
    DenseSettings,
    Outputs,
    count_pairs,
    count_points,
    far_from_features,
    read_descriptors,
    read_scores,
    stride_of,
    usable_points,
    weighted_mean,
)
from superpoint_tf.networks.superpoint import normalize_descriptors

D2_MARGIN = 1.0
D2_RADIUS_PX = 32.0  # four features of stride 8
_TEMPERATURE = 0.05  # of the warm-up's softmax


def d2_loss(outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings) -> dict[str, tf.Tensor]:
    """Return the sum over pairs of sum_c s0 s1 max(0, M + p^2 - n^2) / sum_c s0 s1 (equations 11 to 13).

    Descriptors and soft detection scores are read bilinearly at the points. Squared distances are 2 - 2 cos; n^2 is
    that to the hardest feature of the other view beyond `radius_px` (square), the smaller of both directions.
    """
    usable = usable_points(batch, settings.min_points)
    positive, hardest = _distances(outputs0, outputs1, batch, settings)
    costs = tf.nn.relu(settings.margin + positive - hardest)
    weights = tf.where(usable, _joint_scores(outputs0, outputs1, batch, settings), 0.0)
    return {"desc": tf.reduce_sum(weighted_mean(tf.where(usable, costs, 0.0), weights))}


def _joint_scores(outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings) -> tf.Tensor:
    """Return the products of both views' scores at the points, (B, N)."""
    read = []
    for view, outputs in enumerate((outputs0, outputs1)):
        scores = d2_scores(outputs["descriptors"])
        stride = stride_of(scores, batch[f"images{view}"])
        read.append(read_scores(scores, batch[f"points{view}"], stride, settings.first_px))
    return read[0] * read[1]


def _distances(
    outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the squared distances of corresponding points and to their hardest negatives, (B, N) each."""
    cosine, (first, second) = _cosines(outputs0, outputs1, batch, settings)
    closest = [tf.reduce_max(tf.where(far, similar, -1.0), axis=-1) for similar, far in (first, second)]
    return 2.0 - 2.0 * cosine, 2.0 - 2.0 * tf.maximum(*closest)


def _cosines(
    outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings
) -> tuple[tf.Tensor, list[tuple[tf.Tensor, tf.Tensor]]]:
    """Return the cosines of corresponding points (B, N), and in each direction those to all features of the other view.

    The latter (B, N, h w) with which of them are negatives.
    """
    maps = outputs0["descriptors"], outputs1["descriptors"]
    strides = [stride_of(maps[view], batch[f"images{view}"]) for view in (0, 1)]
    points = batch["points0"], batch["points1"]
    read = [read_descriptors(maps[view], points[view], strides[view], settings.first_px) for view in (0, 1)]
    directions = []
    for own, other in ((0, 1), (1, 0)):
        unit = normalize_descriptors(maps[other])
        flat = tf.reshape(unit, (-1, int(unit.shape[1]) * int(unit.shape[2]), unit.shape[-1]))
        similar = tf.matmul(read[own], flat, transpose_b=True)
        place = points[other], maps[other], strides[other], settings.first_px
        directions.append((similar, far_from_features(*place, settings.radius_px)))
    return tf.reduce_sum(read[0] * read[1], -1), directions


def softmax_loss(outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings) -> dict[str, tf.Tensor]:
    """Return the sum over points of the cross-entropy of the corresponding one against all features beyond the radius.

    The mean of both directions. All negatives have a gradient, and equal descriptors one that parts them: where the
    hardest alone would push a random map to one point, this does not.
    """
    usable = usable_points(batch, settings.min_points)
    cosine, directions = _cosines(outputs0, outputs1, batch, settings)
    own = cosine / _TEMPERATURE
    total = tf.zeros(())
    for similar, far in directions:
        others = tf.reduce_logsumexp(tf.where(far, similar / _TEMPERATURE, -1e9), axis=-1)
        total += 0.5 * tf.reduce_sum(tf.where(usable, tf.nn.softplus(others - own), 0.0))
    return {"desc": total}


D2 = DenseLoss(
    ("desc",),
    d2_loss,
    lambda batch, settings: {"desc": count_pairs(batch, settings)},
    D2_MARGIN,
    D2_RADIUS_PX,
    lambda settings: settings.margin,
)
SOFTMAX = DenseLoss(
    ("desc",), softmax_loss, lambda batch, settings: {"desc": count_points(batch, settings)}, radius_px=D2_RADIUS_PX
)
