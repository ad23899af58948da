"""The right picture of a pair from the left one and its disparities: forward, the nearer surface in front."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_REACH = 3  # right pixels that one step of the left picture may cover: disparities that fall by 2 a pixel
_SPLAT_PENALTY_PX = 1e-3  # a surface's own interpolation goes before its outermost half pixels
_HIDDEN_PX = 0.5  # a surface nearer by more than this hides what is behind


class Warped(NamedTuple):
    """What a right picture shows."""

    picture: np.ndarray  # float32 (H, W), grey levels; 0 where no surface is seen
    disparity: np.ndarray  # float32 (H, W) of the right pixels, -inf where no surface is seen


class _Points(NamedTuple):
    """Points of surfaces at right pixels, (N,) each."""

    row: np.ndarray
    column: np.ndarray
    grey: np.ndarray
    disparity: np.ndarray
    rank: np.ndarray  # the largest is in front


def forward_warp(picture: np.ndarray, disparity: np.ndarray, segments: np.ndarray, width: int) -> Warped:
    """Move the pixels of a picture (H, W0) to x - disparity, and read the first `width` columns of the result.

    Between two neighbours of one segment the surface is linear; the outer half pixels of a segment keep their grey
    level. Of several surfaces that reach a pixel that of the largest disparity is seen (z-buffer).
    """
    x = np.arange(picture.shape[1]) - disparity.astype(np.float64)
    parts = [_nearest(x, picture, disparity)]
    parts += [_between(x, picture, disparity, segments, number) for number in range(_REACH)]
    points = _Points(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    inside = (points.column >= 0) & (points.column < width)
    points = _Points(*(each[inside] for each in points))
    place = points.row * width + points.column
    front = np.full(len(picture) * width, -np.inf)
    np.maximum.at(front, place, points.rank)
    seen = points.rank == front[place]
    result = Warped(np.zeros((len(picture), width), np.float32), np.full((len(picture), width), -np.inf, np.float32))
    result.picture.flat[place[seen]], result.disparity.flat[place[seen]] = points.grey[seen], points.disparity[seen]
    return result


def find_occluded(disparity: np.ndarray, right_disparity: np.ndarray) -> np.ndarray:
    """Tell which left pixels (H, W) the right picture does not show: bool, beyond its frame or behind a surface.

    A pixel is hidden if the right pixel nearest to its place shows a surface nearer by more than half a pixel.
    """
    rows = np.arange(len(disparity))[:, np.newaxis]
    column = np.floor(np.arange(disparity.shape[1]) - disparity.astype(np.float64) + 0.5).astype(int)
    inside = (column >= 0) & (column < right_disparity.shape[1])
    there = right_disparity[rows, np.clip(column, 0, right_disparity.shape[1] - 1)]
    return ~inside | (there > disparity + _HIDDEN_PX)


def _nearest(x: np.ndarray, picture: np.ndarray, disparity: np.ndarray) -> _Points:
    """Return every left pixel at the right pixel nearest to it."""
    row, _ = np.indices(x.shape)
    column = np.floor(x + 0.5).astype(int)
    depth = disparity.astype(np.float64)
    parts = (row, column, picture.astype(np.float64), depth, depth - _SPLAT_PENALTY_PX)
    return _Points(*(each.ravel() for each in parts))


def _between(x: np.ndarray, picture: np.ndarray, disparity: np.ndarray, segments: np.ndarray, number: int) -> _Points:
    """Return the `number`-th right pixel that lies between each two neighbours of one segment."""
    low, high = x[:, :-1], x[:, 1:]
    column = np.ceil(low) + number
    inside = (column <= high) & (low < high) & (segments[:, 1:] == segments[:, :-1])
    row, left = np.nonzero(inside)
    column = column[inside]
    share = (column - low[inside]) / (high - low)[inside]

    def interpolated(values: np.ndarray) -> np.ndarray:
        first, second = values[row, left].astype(np.float64), values[row, left + 1].astype(np.float64)
        result: np.ndarray = first + share * (second - first)
        return result

    depth = interpolated(disparity)
    return _Points(row, column.astype(int), interpolated(picture), depth, depth)
