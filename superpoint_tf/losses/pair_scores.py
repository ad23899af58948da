"""The losses of networks that give two patches a score, larger = more alike: the rows of `SCORE_LOSSES`.

Each of N points gives two pairs: its own patches, and one of them with a patch of another point. A new loss is a
function here, its row, and its name in the row of a system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.losses.distance_matrix import count_points, have_negatives
from superpoint_tf.losses.global_losses import global_loss
from superpoint_tf.losses.patch_points import spread


class Scores(NamedTuple):
    """The scores of N points."""

    positive: tf.Tensor  # (N,) of their own two patches
    negative: tf.Tensor  # (N,) of a patch of each and one of another point
    counted: tf.Tensor  # bool (N,): which have a negative


def _hinge(scores: Scores, margin: float) -> tf.Tensor:
    """max(0, m - y s), y = 1 and -1, mean of both pairs (DeepCompare: Zagoruyko and Komodakis 2015, equation 1)."""
    return (tf.nn.relu(margin - scores.positive) + tf.nn.relu(margin + scores.negative)) / 2.0


def _cross_entropy(scores: Scores, margin: float) -> tf.Tensor:
    """-log of the probability of what is true, mean of both pairs (MatchNet: Han et al. 2015, equation 1).

    A score is the logit of "they match": the difference of the two outputs of the softmax.
    """
    return (tf.nn.softplus(-scores.positive) + tf.nn.softplus(scores.negative)) / 2.0


def _global(scores: Scores, margin: float) -> tf.Tensor:
    """J3: var(s+) + var(s-) + .8 max(0, mean(s-) - mean(s+) + m) (Kumar et al. 2016)."""
    return spread(global_loss(-scores.positive, -scores.negative, scores.counted, margin), scores.counted)


class ScoreLoss(NamedTuple):
    """One loss."""

    function: Callable[[Scores, float], tf.Tensor]  # scores and margin to the cost of every point (N,)
    margin: float = 0.0  # the paper's, where it has one


SCORE_LOSSES: dict[str, ScoreLoss] = {
    "hinge": ScoreLoss(_hinge, 1.0),
    "cross_entropy": ScoreLoss(_cross_entropy),
    "global": ScoreLoss(_global, 1.0),
}


def score_loss(scores: Scores, loss: str, margin: float) -> tf.Tensor:
    """Return a loss of `SCORE_LOSSES` added up over the points that have a negative; divide by `count_points`."""
    costs = SCORE_LOSSES[loss].function(scores, margin)
    return tf.reduce_sum(tf.where(scores.counted, costs, tf.zeros_like(costs)))


def collapsed_score_loss(negatives: tf.Tensor, loss: str, margin: float) -> tf.Tensor:
    """Return the mean cost of a network that gives all pairs the score 0."""
    zeros = tf.zeros(tf.shape(negatives)[:1])
    total = score_loss(Scores(zeros, zeros, have_negatives(negatives)), loss, margin)
    return tf.math.divide_no_nan(total, count_points(negatives))
