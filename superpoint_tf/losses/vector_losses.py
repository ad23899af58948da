"""The losses of networks that describe a patch by a vector: the rows of `VECTOR_LOSSES`.

Every loss is a cost of each of N points that has a negative; what is of the whole batch (a variance, a correlation) is
the same for all of them. A new loss is a function here, its row, and its name in the row of a system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.losses.distance_matrix import count_points, distances, hardest, row_distances
from superpoint_tf.losses.global_losses import embedding_loss
from superpoint_tf.losses.l2net_loss import compactness, intermediate, similarity
from superpoint_tf.losses.patch_points import LossSettings, Points, Term

# ------------------------------------------------------------------------------------------------ all points


def _hardest_triplet(points: Points, settings: LossSettings) -> tf.Tensor:
    """max(0, m + d+ - d-), d- the hardest (HardNet: Mishchuk et al. 2017, equation 2)."""
    matrix = distances(points.first, points.second)
    return tf.nn.relu(settings.margin + tf.linalg.diag_part(matrix) - hardest(matrix, points.negatives))


def _contrastive(points: Points, settings: LossSettings) -> tf.Tensor:
    """d+ + max(0, m - d-), d- the hardest (HardNet's code)."""
    matrix = distances(points.first, points.second)
    return tf.linalg.diag_part(matrix) + tf.nn.relu(settings.margin - hardest(matrix, points.negatives))


# ------------------------------------------------------------------------------------------------ pairs


def _pair_costs(points: Points, margin: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return what the pair of a point costs, d, and that with its negative, max(0, m - d)."""
    negative = row_distances(points.first, tf.gather(points.second, points.partners))
    return row_distances(points.first, points.second), tf.nn.relu(margin - negative)


def _pair_hinge(points: Points, settings: LossSettings) -> tf.Tensor:
    """The mean of d+ and max(0, m - d-): the hinge loss of the score 1 - d for m = 2 (DeepCompare's -l2)."""
    return tf.add_n(_pair_costs(points, settings.margin)) / 2.0


def _mined_pairs(points: Points, settings: LossSettings) -> tf.Tensor:
    """As `_pair_hinge`, of the hardest pairs alone, those of points and those with negatives each for themselves.

    (DeepDesc: Simo-Serra et al. 2015, equation 2 and section 3.3.)
    """
    costs = _pair_costs(points, settings.margin)
    return tf.add_n([_hardest_share(each, points.counted, settings.mining_ratio) for each in costs]) / 2.0


def _hardest_share(costs: tf.Tensor, counted: tf.Tensor, ratio: int) -> tf.Tensor:
    """Keep one in `ratio` of the costs (N,), the greatest, at least one, so enlarged that their mean is over these."""
    number = tf.reduce_sum(tf.cast(counted, tf.int32))
    kept = tf.maximum(number // ratio, 1)
    order = tf.argsort(tf.where(counted, costs, -tf.ones_like(costs)), direction="DESCENDING")
    rank = tf.argsort(order)
    return tf.where(rank < kept, costs * tf.cast(number / kept, costs.dtype), tf.zeros_like(costs))


# ------------------------------------------------------------------------------------------------ triplets


def _triplet_distances(points: Points, anchor_swap: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Return d+ and the distance of the negative to the first patch, or with the swap to the nearer of both."""
    negative = tf.gather(points.second, points.partners)
    far = row_distances(points.first, negative)
    if anchor_swap:
        far = tf.minimum(far, row_distances(points.second, negative))
    return row_distances(points.first, points.second), far


def _triplet(points: Points, settings: LossSettings) -> tf.Tensor:
    """max(0, m + d+ - d-) of a random negative (TFeat: Balntas et al. 2016, ranking loss)."""
    near, far = _triplet_distances(points, settings.anchor_swap)
    return tf.nn.relu(settings.margin + near - far)


def _ratio(points: Points, settings: LossSettings) -> tf.Tensor:
    """(d+ / (d+ + d-))^2 of a random negative (TFeat: Balntas et al. 2016, ratio loss)."""
    near, far = _triplet_distances(points, settings.anchor_swap)
    return tf.square(near / (near + far))


def _triplet_ratio(points: Points, settings: LossSettings) -> tf.Tensor:
    """J2: max(0, 1 - d- / (d+ + m)) of a random negative (Kumar et al. 2016)."""
    near, far = _triplet_distances(points, anchor_swap=False)
    return tf.nn.relu(1.0 - far / (near + settings.margin))


# ------------------------------------------------------------------------------------------------ the table


class VectorLoss(NamedTuple):
    """One loss: terms that are added up, and how it takes the points of a batch together."""

    terms: Mapping[str, Term]  # by the names that a training reports
    samples: str  # `matrix`: every point with all others; `pairs` and `triplets`: with one negative drawn at random
    margin: float = 0.0  # the paper's, where it has one
    taps: bool = False  # whether it sees features within the network too


VECTOR_LOSSES: dict[str, VectorLoss] = {
    "hardest_triplet": VectorLoss({"desc": _hardest_triplet}, "matrix", 1.0),
    "softmax": VectorLoss({"desc": similarity}, "matrix"),
    "contrastive": VectorLoss({"desc": _contrastive}, "matrix", 1.0),
    "l2net": VectorLoss({"e1": similarity, "e2": compactness, "e3": intermediate}, "matrix", taps=True),
    "l2net_e1_e2": VectorLoss({"e1": similarity, "e2": compactness}, "matrix"),
    "l2net_e1": VectorLoss({"e1": similarity}, "matrix"),
    "pair_hinge": VectorLoss({"desc": _pair_hinge}, "pairs", 2.0),
    "mined_pairs": VectorLoss({"desc": _mined_pairs}, "pairs", 4.0),
    "triplet": VectorLoss({"desc": _triplet}, "triplets", 2.0),
    "ratio": VectorLoss({"desc": _ratio}, "triplets"),
    "triplet_ratio": VectorLoss({"desc": _triplet_ratio}, "triplets", 0.01),
    "triplet_global": VectorLoss({"j2": _triplet_ratio, "j1": embedding_loss}, "triplets", 0.01),
}


def vector_loss(points: Points, terms: Mapping[str, Term], settings: LossSettings) -> dict[str, tf.Tensor]:
    """Return terms added up over the points that have a negative: scalars, float32 (float64 stays).

    Divide by `count_points`. What is of the whole batch is of these points, however small a part of the batch.
    """
    costs = {name: term(points, settings) for name, term in terms.items()}
    return {name: tf.reduce_sum(tf.where(points.counted, cost, tf.zeros_like(cost))) for name, cost in costs.items()}


def collapsed_vector_loss(negatives: tf.Tensor, term: Term, settings: LossSettings) -> tf.Tensor:
    """Return the mean cost of equal descriptors of all points: the margin of many, the log of candidates of others."""
    equal = tf.ones((tf.shape(negatives)[0], 1))
    points = Points(equal, equal, negatives, tf.zeros(tf.shape(negatives)[:1], tf.int32), ((equal, equal),))
    total = vector_loss(points, {"": term}, settings)[""]
    return tf.math.divide_no_nan(total, count_points(negatives))
