"""The numbers of patch verification and matching, each defined once, as functions of distances between descriptors."""

from __future__ import annotations

import math

import numpy as np

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
