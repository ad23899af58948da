"""The left-right check: which disparities both pictures agree on, and what takes the place of the others.

(Zbontar and LeCun 2016, section 4.3.)
"""

from __future__ import annotations

import numpy as np

CORRECT, MISMATCH, OCCLUSION = 0, 1, 2
_SLACK_PX = 1.0
_DIRECTIONS = [  # 16, evenly about
    *((0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.0, 0.5)),
    *((1.0, 0.0), (1.0, -0.5), (1.0, -1.0), (0.5, -1.0)),
    *((0.0, -1.0), (-0.5, -1.0), (-1.0, -1.0), (-1.0, -0.5)),
    *((-1.0, 0.0), (-1.0, 0.5), (-1.0, 1.0), (-0.5, 1.0)),
]


def check_left_right(left: np.ndarray, right: np.ndarray, num_disparities: int) -> np.ndarray:
    """Return what each left pixel is, uint8 (H, W), of the disparities (H, W) of both pictures.

    `CORRECT`: the right pixel at x - d has the same disparity within 1. `MISMATCH`: it has not, but another disparity
    of the range would agree. `OCCLUSION`: none would.
    """
    rows, columns = np.indices(left.shape)

    def agrees(disparity: np.ndarray) -> np.ndarray:
        there = np.floor(columns - disparity + 0.5).astype(int)
        found = right[rows, np.maximum(there, 0)]
        result: np.ndarray = (there >= 0) & (np.abs(disparity - found) <= _SLACK_PX)
        return result

    any_agrees = np.zeros(left.shape, bool)
    for disparity in range(num_disparities):
        any_agrees |= agrees(np.full(left.shape, float(disparity)))
    return np.where(agrees(left), CORRECT, np.where(any_agrees, MISMATCH, OCCLUSION)).astype(np.uint8)


def interpolate(disparity: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return disparities (H, W) with those that are not correct replaced, float32.

    A hidden pixel takes that of the next correct one to the left, which is of the background (to the right where there
    is none). A mismatch takes the median of the next correct ones in 16 directions. Without any correct one in reach a
    pixel keeps its own.
    """
    correct = labels == CORRECT
    result = disparity.astype(np.float32).copy()
    hidden = labels == OCCLUSION
    result[hidden] = _from_the_left(disparity, correct)[hidden]
    wrong = np.argwhere(labels == MISMATCH)
    if len(wrong):
        found = np.stack([_next_correct(disparity, correct, wrong, direction) for direction in _DIRECTIONS])
        reached = np.isfinite(found).any(axis=0)
        y, x = wrong[reached].T
        result[y, x] = np.nanmedian(found[:, reached], axis=0)
    return result


def _from_the_left(disparity: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Return for every pixel the disparity of the nearest correct one at or left of it, else right, else its own."""
    width = disparity.shape[1]
    columns = np.broadcast_to(np.arange(width), disparity.shape)
    before = np.maximum.accumulate(np.where(correct, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(correct, columns, width)[:, ::-1], axis=1)[:, ::-1]
    source = np.where(before >= 0, before, np.where(after < width, after, columns))
    return np.take_along_axis(disparity, source, axis=1)


def _next_correct(
    disparity: np.ndarray, correct: np.ndarray, points: np.ndarray, direction: tuple[float, float]
) -> np.ndarray:
    """Return the disparity of the first correct pixel from points yx (N, 2) on in a direction, NaN for none."""
    found, waiting, step = np.full(len(points), np.nan), np.arange(len(points)), 0
    while len(waiting):
        step += 1
        y, x = np.floor(points[waiting] + step * np.array(direction) + 0.5).astype(int).T
        inside = (y >= 0) & (x >= 0) & (y < disparity.shape[0]) & (x < disparity.shape[1])
        waiting, y, x = waiting[inside], y[inside], x[inside]
        hit = correct[y, x]
        found[waiting[hit]] = disparity[y[hit], x[hit]]
        waiting = waiting[~hit]
    return found
