"""The numbers of patch verification, matching and retrieval, each defined once, as functions of distances."""

from __future__ import annotations

import math

import numpy as np

from superpoint_tf.evaluation.metrics import area_below

_RECALL = 0.95


def fpr95(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the false positive rate at 95 % recall: the share of `negative` no farther than the threshold.

    The threshold is the least distance at which 95 % of the `positive` are accepted (Brown et al. 2011, section 5).
    NaN where either is empty.
    """
    if len(positive) == 0 or len(negative) == 0:
        return math.nan
    threshold = np.sort(positive)[math.ceil(_RECALL * len(positive)) - 1]
    return float(np.mean(negative <= threshold))


def nearest_is_right(distances: np.ndarray, allowed: np.ndarray) -> float:
    """Return the share of points whose partner is nearer than every allowed negative, in both directions.

    distances (N, N), row i and column i are one point; allowed bool (N, N). NaN without points that have a negative.
    """
    if not allowed.any():
        return math.nan
    negatives = np.where(allowed, distances, np.inf)
    nearest = np.minimum(negatives.min(axis=0), negatives.min(axis=1))
    usable = np.isfinite(nearest)
    return float(np.mean(np.diag(distances)[usable] < nearest[usable]))


def roc_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the area under the curve of true over false positives: the chance that a positive is the nearer one.

    An equal distance counts half. NaN where either is empty.
    """
    if len(positive) == 0 or len(negative) == 0:
        return math.nan
    ordered = np.sort(positive)
    nearer, not_farther = (np.searchsorted(ordered, negative, side=side) for side in ("left", "right"))
    return float(np.mean(nearer + not_farther) / (2 * len(positive)))


def pairs_average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the average precision of pairs ranked by distance, the positive ones right; NaN without positives."""
    right = np.arange(len(positive) + len(negative)) < len(positive)
    return trapezoid_average_precision(np.concatenate([positive, negative]), right, len(positive))


def trapezoid_average_precision(distances: np.ndarray, right: np.ndarray, num_right: int) -> float:
    """Return the area under precision over recall by trapezoids from (recall 0, precision 1), as HPatches' code does.

    distances (N,) rank the answers, nearest first; right bool (N,); recall is of `num_right` (Balntas et al. 2017,
    section 5). Equal distances form one point of the curve, so that their order is without effect: Hamming distances
    have many. Unlike `metrics.average_precision` precision is not made non-increasing. NaN if `num_right` is 0.
    """
    if num_right == 0:
        return math.nan
    order = np.argsort(distances, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(distances[order]) != 0, True)[: len(order)])
    hits = np.cumsum(right[order])[last_of_ties]
    precision = np.concatenate([[1.0], hits / (last_of_ties + 1)])
    recall = np.concatenate([[0.0], hits / num_right])
    return area_below(precision, recall)


def matching_scores(distances: np.ndarray) -> tuple[float, float]:
    """Return the average precision and the success rate of nearest neighbours among `distances` (N, N).

    Row i is point i of the first image and column i the same point of the second. Every row answers with its nearest
    column, the first of equal ones; answers are ranked by their distances and right if the point is the same. Recall is
    of all N (Balntas et al. 2017, section 5.2). The success rate is the share of right answers.
    """
    points = np.arange(len(distances))
    nearest = distances.argmin(axis=1)
    right = nearest == points
    return trapezoid_average_precision(distances[points, nearest], right, len(points)), float(right.mean())


def retrieval_average_precision(positive: np.ndarray, distractors: np.ndarray) -> np.ndarray:
    """Return the average precision of each of Q queries, (Q,), by trapezoids as above.

    positive (Q, K) are the distances of a query to its own point's patches, distractors (Q, M) to those of others.
    """
    return np.array([pairs_average_precision(*of_query) for of_query in zip(positive, distractors, strict=True)])
