"""A row of the tables of patches: what describes patches, and how two descriptors are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from superpoint_tf.evaluation.methods.methods import NamedMethod
from superpoint_tf.features.matching import squared_distances

Describe = Callable[[np.ndarray], np.ndarray]
"""From patches uint8 (N, S, S) to descriptors (N, D); uint8 ones are bit strings, compared by Hamming distance."""

_BLOCK_PAIRS = 4096


@dataclass(frozen=True)
class PatchMethod(NamedMethod):
    """One row of the tables: vectors that have a distance, or what a system describes and then scores pair by pair."""

    describe: Describe
    describe1: Describe | None = None  # of the second patch of a pair, where it has a branch of its own
    score: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None  # (N, ...) twice to (N,), larger: more alike
    most_pairs: int | None = None  # that a task may ask it to score, for the sake of time

    def distances(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the distance of each pair of rows (M, D), float64 (M,): squared, Hamming, or minus the score."""
        blocks = [slice(start, start + _BLOCK_PAIRS) for start in range(0, len(first), _BLOCK_PAIRS)]
        return np.concatenate([np.zeros(0), *(self._block(first[rows], second[rows]) for rows in blocks)])

    def matrix(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the distances (N, M) of all pairs of rows (N, D) and (M, D)."""
        if self.score is None:
            return squared_distances(first, second)
        step = max(1, _BLOCK_PAIRS // len(second))
        blocks = [first[start : start + step] for start in range(0, len(first), step)]
        found = [self.distances(np.repeat(b, len(second), axis=0), np.concatenate([second] * len(b))) for b in blocks]
        return np.concatenate(found).reshape(len(first), len(second))

    def affords(self, num_pairs: int) -> bool:
        """Tell whether so many pairs may be compared."""
        return self.most_pairs is None or num_pairs <= self.most_pairs

    def _block(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.score is not None:
            return -np.asarray(self.score(first, second), np.float64)
        if first.dtype == np.uint8:
            return np.unpackbits(first ^ second, axis=1).sum(axis=1, dtype=np.float64)
        difference = first.astype(np.float64) - second
        return np.einsum("nd,nd->n", difference, difference)
