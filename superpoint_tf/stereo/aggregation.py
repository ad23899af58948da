"""Cross-based cost aggregation (Zhang, Lu and Lafruit 2009): means over the like-coloured surroundings of a pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Arms(NamedTuple):
    """How many pixels each pixel's cross reaches, int (H, W) each."""

    left: np.ndarray
    right: np.ndarray
    up: np.ndarray
    down: np.ndarray


def cross_arms(picture: np.ndarray, length: int, threshold: float) -> Arms:
    """Return the crosses of a picture (H, W).

    An arm goes on while the next pixel differs from the centre by less than `threshold` and is nearer than `length`
    pixels (Zbontar and LeCun 2016, section 4.1).
    """
    across = [_reach(picture, step, length, threshold) for step in (-1, 1)]
    down = [_reach(picture.T, step, length, threshold).T for step in (-1, 1)]
    return Arms(across[0], across[1], down[0], down[1])


def _reach(picture: np.ndarray, step: int, length: int, threshold: float) -> np.ndarray:
    reach, going = np.zeros(picture.shape, np.intp), np.ones(picture.shape, bool)
    for distance in range(1, min(length, picture.shape[1])):
        low, high = slice(None, -distance), slice(distance, None)
        own, other = (high, low) if step < 0 else (low, high)
        alike = np.zeros_like(going)
        alike[:, own] = np.abs(picture[:, own] - picture[:, other]) < threshold
        going &= alike
        reach[going] = distance
    return reach


def aggregate(volume: np.ndarray, left: np.ndarray, right: np.ndarray, length: int, threshold: float) -> np.ndarray:
    """Return the mean of the costs over the support of each pixel, float32 (D, H, W).

    The support of a left pixel at a disparity is where its cross region and that of the right pixel overlap: the rows
    of its vertical arms, of each of which the horizontal arms count. Pictures are float (H, W).
    """
    left_arms, right_arms = (cross_arms(picture, length, threshold) for picture in (left, right))
    result, width = volume.copy(), volume.shape[2]
    for d in range(min(len(volume), width)):
        common = Arms(*(np.minimum(a[:, d:], b[:, : width - d]) for a, b in zip(left_arms, right_arms, strict=True)))
        result[d][:, d:] = _mean_over(volume[d][:, d:], common)
    return result


def _mean_over(costs: np.ndarray, arms: Arms) -> np.ndarray:
    """Return the mean of costs (H, W) over the regions that arms span, by running sums along rows, then columns."""
    rows = _sum_between(costs.T, arms.left.T, arms.right.T).T
    counts = (arms.left + arms.right + 1).astype(np.float64)
    sums = _sum_between(rows, arms.up, arms.down)
    mean: np.ndarray = sums / _sum_between(counts, arms.up, arms.down)
    return mean


def _sum_between(values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the sums of values (N, M) along the first axis from `before` rows above to `after` below, float64."""
    running = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    place = np.arange(len(values))[:, np.newaxis]
    upper = np.take_along_axis(running, place - before, axis=0)
    lower = np.take_along_axis(running, place + after + 1, axis=0)
    result: np.ndarray = lower - upper
    return result
