"""The closed forms of regularised dual averaging against brute force on its definition, and direct formulas."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.training.convex.dual_averaging import low_rank_minimum, sparse_minimum

RANDOM = np.random.default_rng(0)


def test_the_sparse_minimum_is_the_least_of_a_grid_by_its_definition() -> None:
    gradient, steps, l1, gamma = np.array([-0.5, -0.05, 0.3, -0.2]), 9, 0.1, 2.0
    grid = np.linspace(0, 2, 200_001)
    for slope, value in zip(gradient, sparse_minimum(gradient, steps, l1, gamma), strict=True):  # coordinates are apart
        objective = slope * grid + l1 * grid + gamma / (2 * np.sqrt(steps)) * grid**2
        assert value == pytest.approx(grid[objective.argmin()], abs=1e-5)


def test_the_sparse_minimum_of_known_numbers() -> None:
    np.testing.assert_allclose(sparse_minimum(np.array([-1.0, -0.25, 0.5]), 4, 0.25, 0.5), [3.0, 0.0, 0.0])


def definition(matrix: np.ndarray, gradient: np.ndarray, steps: int, trace: float, gamma: float) -> float:
    return float(
        np.sum(gradient * matrix)
        + trace * np.linalg.norm(matrix, "nuc")
        + gamma / (2 * np.sqrt(steps)) * np.sum(matrix**2)
    )


def test_no_positive_matrix_is_below_the_low_rank_minimum_by_its_definition() -> None:
    gradient = RANDOM.normal(size=(4, 4))
    gradient += gradient.T
    settings = (gradient, 16, 0.3, 0.5)
    factor = low_rank_minimum(*settings)
    assert 0 < len(factor) < 4
    best = definition(factor.T @ factor, *settings)
    for size in (1e-3, 1e-2, 0.1, 1.0):  # near ones and far ones, of every rank
        for _ in range(300):
            other = factor.T @ factor + size * _symmetric(4)
            values, vectors = np.linalg.eigh(other)
            assert definition((vectors * np.maximum(values, 0)) @ vectors.T, *settings) >= best
    for _ in range(300):
        root = RANDOM.normal(size=(RANDOM.integers(1, 5), 4))
        assert definition(root.T @ root, *settings) >= best


def _symmetric(side: int) -> np.ndarray:
    matrix = RANDOM.normal(size=(side, side))
    return matrix + matrix.T


def test_the_low_rank_minimum_of_a_diagonal_has_the_strongest_row_first() -> None:
    factor = low_rank_minimum(np.diag([-0.5, 1.0, -2.0, -0.1]), 4, 0.25, 0.5)
    np.testing.assert_allclose(factor.T @ factor, np.diag([1.0, 0.0, 7.0, 0.0]), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(factor, axis=1), np.sqrt([7.0, 1.0]))


def test_shrinking_then_projecting_is_the_projection_of_the_shifted_matrix() -> None:
    """The step of the trace norm on positive matrices: eigenvalues max(0, lambda - trace), for any eigenvectors."""
    target = _symmetric(5)
    factor = low_rank_minimum(-target, 1, 0.4, 1.0)
    values, vectors = np.linalg.eigh(target - 0.4 * np.eye(5))
    np.testing.assert_allclose(factor.T @ factor, (vectors * np.clip(values, 0, None)) @ vectors.T, atol=1e-12)
