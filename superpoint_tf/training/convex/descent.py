"""Descent of one convex problem: steps that are functions of their number, the best iterate kept; a state to save."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation.patch_metrics import fpr95
from superpoint_tf.training.convex.problems import Problem


class PairRows(NamedTuple):
    """The rows of pairs of one point and of pairs of two, (N, F) and (M, F)."""

    positives: np.ndarray
    negatives: np.ndarray


@dataclass
class Descent:
    """Where a descent is; the iterate follows from the sum of its gradients."""

    problem: Problem
    step: int = 0
    best_step: int = 0
    best_error: float = math.inf
    gradient_sum: np.ndarray = field(default_factory=lambda: np.zeros(0))
    best: np.ndarray = field(default_factory=lambda: np.zeros(0))  # what is kept of the best iterate

    def __post_init__(self) -> None:
        if not self.step:
            self.gradient_sum = np.zeros(self.problem.shape)
        self.solution = self._iterate()

    def _iterate(self) -> np.ndarray:
        if not self.step:  # nothing pushes away from zero yet
            return np.zeros((0, self.problem.shape[0]) if len(self.problem.shape) == 2 else self.problem.shape)
        return self.problem.minimum(self.gradient_sum / self.step, self.step)

    def advance(self, rows: PairRows, pairs: int, seed: int) -> None:
        """Make one step on `pairs` random positives, each with a random negative."""
        random = np.random.default_rng([seed, self.step])
        positives = rows.positives[random.integers(len(rows.positives), size=pairs)]
        negatives = rows.negatives[random.integers(len(rows.negatives), size=pairs)]
        violated = self._slack(self.solution, positives, negatives) > 0
        difference = self.problem.gradient(positives[violated]) - self.problem.gradient(negatives[violated])
        self.gradient_sum += difference / pairs
        self.step += 1
        self.solution = self._iterate()

    def _slack(self, solution: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
        return 1.0 + self.problem.distances(solution, positives) - self.problem.distances(solution, negatives)

    def validate(self, rows: PairRows) -> dict[str, float]:
        """Measure what is kept of the iterate on held-out pairs, and remember it if its `fpr95` is the least so far.

        `hinge` is its mean loss, positives and negatives taken in turn, `rank` how many rings or numbers there are.
        """
        kept = self.problem.kept(self.solution)
        positives, negatives = (self.problem.distances(kept, each) for each in rows)
        error = fpr95(positives, negatives)
        if error < self.best_error:
            self.best, self.best_error, self.best_step = kept, error, self.step
        count = max(len(positives), len(negatives))
        slack = 1.0 + np.resize(positives, count) - np.resize(negatives, count)
        return {"hinge": float(np.maximum(slack, 0.0).mean()), "fpr95": error, "rank": float(_rank(kept))}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the state to go on from, by name."""
        names = ("step", "best_step", "best_error", "gradient_sum", "best")
        return {name: np.asarray(getattr(self, name)) for name in names}

    @classmethod
    def of(cls, problem: Problem, arrays: dict[str, np.ndarray]) -> Descent:
        """Return the descent that `arrays` was written by."""
        numbers = {"step": int(arrays["step"]), "best_step": int(arrays["best_step"])}
        error = float(arrays["best_error"])
        return cls(problem, **numbers, best_error=error, gradient_sum=arrays["gradient_sum"], best=arrays["best"])


def _rank(kept: np.ndarray) -> int:
    return len(kept) if kept.ndim == 2 else int(np.count_nonzero(kept))
