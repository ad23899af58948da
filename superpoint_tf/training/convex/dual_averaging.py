"""Regularised dual averaging (Xiao, JMLR 2010): each iterate is the closed-form answer to the mean of all gradients.

After t gradients of mean g it is the minimum over x of <g, x> + R(x) + gamma / (2 sqrt(t)) ||x||^2. Both regularisers
here are those of Simonyan et al., PAMI 2014.
"""

from __future__ import annotations

import numpy as np


def sparse_minimum(mean_gradient: np.ndarray, steps: int, l1: float, gamma: float) -> np.ndarray:
    """Return the minimum for R(x) = l1 sum(x) over x >= 0."""
    return np.maximum(0.0, -np.sqrt(steps) / gamma * (mean_gradient + l1))


def low_rank_minimum(mean_gradient: np.ndarray, steps: int, trace: float, gamma: float) -> np.ndarray:
    """Return W (rank, F), longest row first, such that W'W is the minimum for R(A) = trace tr(A) over positive A.

    The mean gradient is symmetric (F, F), ||A|| is Frobenius' norm; of positive matrices the trace is the trace norm.
    """
    values, vectors = np.linalg.eigh(mean_gradient)  # ascending: the most negative first
    lengths = -np.sqrt(steps) / gamma * (values + trace)
    kept = lengths > 0.0
    return np.sqrt(lengths[kept])[:, np.newaxis] * vectors[:, kept].T
