"""ASLFeat's losses: each correspondence against the others of its pair, weighted by detection scores.

(Luo et al. 2020, section 3.4: the hardest contrastive loss; and the circle loss of Sun et al. 2020, which the authors
train their later weights with.)
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from superpoint_tf.detection.soft_scores import peakiness_scores
from superpoint_tf.losses.dense_points import (
    Batch,
    DenseLoss,
    DenseSettings,
    Outputs,
    count_pairs,
    read_descriptors,
    read_scores,
    stride_of,
    usable_points,
    weighted_mean,
)

RADIUS_PX = 12.0  # three features of stride 4
NEGATIVE_MARGIN, POSITIVE_MARGIN = 1.0, 0.2
CIRCLE_MARGIN, CIRCLE_SCALE = 0.1, 512.0
_SMALLEST = 1e-6  # of a squared distance, under its root
_SAME = 0.008  # a distance that a negative cannot have: it shows the same place
_FAR = 10.0  # no distance of unit vectors is above

Costs = Callable[[tf.Tensor, tf.Tensor, DenseSettings], tf.Tensor]


def _loss(costs: Costs) -> Callable[[Outputs, Outputs, Batch, DenseSettings], dict[str, tf.Tensor]]:
    """Return a loss of the cosines (B, N, N) between all points of both views, and of which are negatives.

    `costs` gives those of the points, (B, N); summed over pairs are their means, weighted by the products of the scores
    that both views have at a point.
    """

    def loss(outputs0: Outputs, outputs1: Outputs, batch: Batch, settings: DenseSettings) -> dict[str, tf.Tensor]:
        usable = usable_points(batch, settings.min_points)
        views = (outputs0, outputs1)
        read, scores = [], []
        for view, outputs in enumerate(views):
            points, features = batch[f"points{view}"], outputs["descriptors"]
            stride = stride_of(features, batch[f"images{view}"])
            read.append(read_descriptors(features, points, stride, settings.first_px))
            scores.append(read_scores(peakiness_scores(outputs), points, 1, 0.0))
        cosines = tf.matmul(read[0], read[1], transpose_b=True)
        points_costs = costs(cosines, _negatives(batch, usable, settings), settings)
        weights = tf.where(usable, scores[0] * scores[1], 0.0)
        return {"desc": tf.reduce_sum(weighted_mean(tf.where(usable, points_costs, 0.0), weights))}

    return loss


def _negatives(batch: Batch, usable: tf.Tensor, settings: DenseSettings) -> tf.Tensor:
    """Tell which pairs of points (B, N, N) are negatives: both usable, and in both views beyond the radius."""
    far = usable[:, :, tf.newaxis] & usable[:, tf.newaxis]
    for view in (0, 1):
        points = tf.where(usable[..., tf.newaxis], batch[f"points{view}"], 0.0)
        steps = points[:, :, tf.newaxis] - points[:, tf.newaxis]
        far &= tf.reduce_sum(tf.square(steps), -1) > settings.radius_px**2
    return far


def contrastive_costs(cosines: tf.Tensor, negatives: tf.Tensor, settings: DenseSettings) -> tf.Tensor:
    """Return max(0, d - .2) + the mean of both directions' max(0, margin - the hardest negative's d), (B, N).

    d is the Euclidean distance of unit vectors; one below .008 is of no negative.
    """
    distances = tf.sqrt(tf.maximum(2.0 - 2.0 * cosines, _SMALLEST))
    others = tf.where(negatives & (distances > _SAME), distances, _FAR)
    pushed = [tf.nn.relu(settings.margin - tf.reduce_min(others, axis)) for axis in (2, 1)]
    return tf.nn.relu(tf.linalg.diag_part(distances) - POSITIVE_MARGIN) + 0.5 * tf.add_n(pushed)


def circle_costs(cosines: tf.Tensor, negatives: tf.Tensor, settings: DenseSettings) -> tf.Tensor:
    """Return the circle loss of each point with one positive, the mean of both directions, (B, N).

    With margin m and scale g: softplus(log sum over negatives exp(g max(0, s + m) (s - m)) - g max(0, 1 + m - p)
    (p - 1 + m)), s and p cosines; the factors max(0, .) are constants to the gradient.
    """
    margin = settings.margin
    positive = tf.linalg.diag_part(cosines)
    pull = -tf.stop_gradient(tf.nn.relu(1.0 + margin - positive)) * (positive - 1.0 + margin)
    push = tf.stop_gradient(tf.nn.relu(cosines + margin)) * (cosines - margin)
    push = tf.where(negatives, CIRCLE_SCALE * push, -1e9)
    both = [tf.nn.softplus(tf.reduce_logsumexp(push, axis) + CIRCLE_SCALE * pull) for axis in (2, 1)]
    return 0.5 * tf.add_n(both)


def _count(batch: Batch, settings: DenseSettings) -> dict[str, tf.Tensor]:
    return {"desc": count_pairs(batch, settings)}


# Equal descriptors are nobody's negatives in the contrastive loss (`_SAME`) and cost nothing: no collapse to tell.
HARDEST_CONTRASTIVE = DenseLoss(("desc",), _loss(contrastive_costs), _count, NEGATIVE_MARGIN, RADIUS_PX)
CIRCLE = DenseLoss(("desc",), _loss(circle_costs), _count, CIRCLE_MARGIN, RADIUS_PX)
