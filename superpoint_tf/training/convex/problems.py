"""The two convex problems: which rings of regions to pool over, and how to project what they give.

Both ask that the squared distance of a pair of one point be less by 1 than that of a pair of two points, for random
pairs of pairs: the mean of max(0, 1 + d(positive) - d(negative)). (Simonyan et al., PAMI 2014.)
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from superpoint_tf.config import ConvexSection
from superpoint_tf.training.convex.dual_averaging import low_rank_minimum, sparse_minimum


class Problem(Protocol):
    """What descent needs to know; a pair is one row (F,), its squared distance a function of it and of the solution."""

    name: str
    shape: tuple[int, ...]  # of a gradient

    def distances(self, solution: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the squared distances (N,) of pairs (N, F)."""
        ...

    def gradient(self, rows: np.ndarray) -> np.ndarray:
        """Return the derivative of the sum of the distances."""
        ...

    def minimum(self, mean_gradient: np.ndarray, steps: int) -> np.ndarray:
        """Return the iterate after so many gradients of this mean."""
        ...

    def kept(self, solution: np.ndarray) -> np.ndarray:
        """Return what the network has room for of a solution."""
        ...


class RingProblem:
    """A weight of at least 0 for each ring; of a pair a row holds the squared distances ring by ring."""

    name = "rings"

    def __init__(self, settings: ConvexSection, sizes: np.ndarray, most_regions: int) -> None:
        self._settings, self._sizes, self._most = settings, sizes, most_regions
        self.shape: tuple[int, ...] = (len(sizes),)

    def distances(self, solution: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return rows @ solution

    def gradient(self, rows: np.ndarray) -> np.ndarray:
        return rows.sum(axis=0, dtype=np.float64)

    def minimum(self, mean_gradient: np.ndarray, steps: int) -> np.ndarray:
        return sparse_minimum(mean_gradient, steps, self._settings.ring_l1, self._settings.ring_gamma)

    def kept(self, solution: np.ndarray) -> np.ndarray:
        """Return the weights with those of all but the heaviest rings set to 0, as many as have room."""
        kept, room = np.zeros_like(solution), self._most
        for ring in np.argsort(-solution * self._sizes, kind="stable"):
            if solution[ring] > 0 and self._sizes[ring] <= room:
                kept[ring] = solution[ring]
                room -= self._sizes[ring]
        return kept


class ProjectionProblem:
    """A positive matrix W'W of low rank; of a pair a row holds the difference of its pooled features."""

    name = "projection"

    def __init__(self, settings: ConvexSection, features: int, dimension: int) -> None:
        self._settings, self._dimension = settings, dimension
        self.shape: tuple[int, ...] = (features, features)

    def distances(self, solution: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.square(rows @ solution.T.astype(rows.dtype)).sum(axis=1)

    def gradient(self, rows: np.ndarray) -> np.ndarray:
        return (rows.T @ rows).astype(np.float64)

    def minimum(self, mean_gradient: np.ndarray, steps: int) -> np.ndarray:
        return low_rank_minimum(mean_gradient, steps, self._settings.trace, self._settings.gamma)

    def kept(self, solution: np.ndarray) -> np.ndarray:
        return solution[: self._dimension]
