"""Semi-global matching (Hirschmueller 2008) with penalties that edges of both pictures lower, as MC-CNN has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Penalties:
    """What a change of disparity between neighbours costs (Zbontar and LeCun 2016, section 4.2)."""

    small: float  # P1, of a change by 1
    large: float  # P2, of any other
    one_edge: float = 3.0  # Q1: both are divided by it where one of the pictures has an edge
    two_edges: float = 6.0  # Q2: where both have
    vertical: float = 2.0  # V: P1 is divided by it up and down
    edge: float = 0.08  # tau_so: difference of neighbours that is an edge, in deviations of the picture


def semiglobal(volume: np.ndarray, left: np.ndarray, right: np.ndarray, penalties: Penalties) -> np.ndarray:
    """Return the mean of the path costs of four directions, float32 (D, H, W); pictures are float (H, W)."""
    costs = np.ascontiguousarray(volume.transpose(2, 1, 0))  # (W, H, D): a path goes along the first axis
    across = _both_ways(costs, _edges_across(left, right, len(volume)), penalties, penalties.small)
    total = across.transpose(1, 0, 2)
    costs = np.ascontiguousarray(costs.transpose(1, 0, 2))
    total = total + _both_ways(
        costs, _edges_down(left, right, len(volume)), penalties, penalties.small / penalties.vertical
    )
    return np.ascontiguousarray((total / 4.0).transpose(2, 0, 1))


Edges = tuple[
    np.ndarray, np.ndarray
]  # differences of neighbours: of the left picture (N - 1, M), the right (N - 1, M, D)


def _edges_across(left: np.ndarray, right: np.ndarray, num_disparities: int) -> Edges:
    """Return the differences between columns x and x + 1, and between those at x - d in the right picture."""
    steps = np.abs(np.diff(right, axis=1))
    there = np.arange(steps.shape[1])[:, np.newaxis] - np.arange(num_disparities)
    return np.abs(np.diff(left, axis=1)).T, steps.T[np.maximum(there, 0)].transpose(0, 2, 1)


def _edges_down(left: np.ndarray, right: np.ndarray, num_disparities: int) -> Edges:
    """Return the differences between rows y and y + 1, and between those at x - d in the right picture."""
    steps = np.abs(np.diff(right, axis=0))
    there = np.arange(steps.shape[1])[:, np.newaxis] - np.arange(num_disparities)
    return np.abs(np.diff(left, axis=0)), steps[:, np.maximum(there, 0)]


def _both_ways(costs: np.ndarray, edges: Edges, penalties: Penalties, small: float) -> np.ndarray:
    """Return the sum of the path costs forward and backward along the first axis of costs (N, M, D)."""
    forward = _path(costs, edges, penalties, small)
    turned = edges[0][::-1], edges[1][::-1]
    result: np.ndarray = forward + _path(costs[::-1], turned, penalties, small)[::-1]
    return result


def _path(costs: np.ndarray, edges: Edges, penalties: Penalties, small: float) -> np.ndarray:
    """Return L(p, d) = C(p, d) + min(L(q, d), L(q, d +- 1) + P1, min L(q) + P2) - min L(q), q before p."""
    result = np.empty_like(costs)
    result[:1] = costs[:1]
    divisors = np.array([1.0, penalties.one_edge, penalties.two_edges], np.float32)
    for place in range(1, len(costs)):
        before = result[place - 1]
        found = (edges[0][place - 1] >= penalties.edge).astype(np.intp)[:, np.newaxis]
        divisor = divisors[found + (edges[1][place - 1] >= penalties.edge)]
        least = before.min(axis=1, keepdims=True)
        best = np.minimum(before, least + np.float32(penalties.large) / divisor)
        step = np.float32(small) / divisor
        best[:, 1:] = np.minimum(best[:, 1:], before[:, :-1] + step[:, 1:])
        best[:, :-1] = np.minimum(best[:, :-1], before[:, 1:] + step[:, :-1])
        result[place] = costs[place] + best - least
    return result
