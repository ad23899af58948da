"""Keypoints between pixels: the soft-argmax of each peak over its own pixels, and never as near as suppression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

WINDOW_RADIUS_PX = 3  # 7x7 pixels; of 9x9 keypoints repeat equally at one scale, and less exactly at two
_HALF_PX = 0.499  # a limited keypoint rounds to the pixel that it came from, in float32, too


def refine_keypoints(
    heatmap: NDArray[np.floating],
    keypoints: NDArray[np.floating],
    radius_px: int,
    window_px: int = WINDOW_RADIUS_PX,
) -> NDArray[np.float32]:
    """Move keypoints (N, 2) on whole pixels of a heatmap (H, W) to the mean position of the pixels of their peaks.

    Takes all keypoints that suppression with `radius_px` kept. The mean is weighted by probability, over those of the
    pixels within `window_px` (square) of a keypoint that no other is nearer to (max(|dx|, |dy|)); outside the frame
    there are none, and without any probability a keypoint stays. Two that would come as near as `radius_px`, on rounded
    coordinates, move by less than half a pixel in x and in y: what suppression kept it keeps again.
    """
    pixels = np.asarray(keypoints).astype(np.int64).reshape(-1, 2)
    shift = _peak_centres(np.asarray(heatmap), pixels, window_px)
    limited = np.zeros(len(pixels), bool)
    while True:
        refined: NDArray[np.float32] = (pixels + shift).astype(np.float32)
        near = _too_near(pixels, refined, radius_px) & ~limited
        if not near.any():
            return refined
        shift[near] = np.clip(shift[near], -_HALF_PX, _HALF_PX)  # may bring it near to a third one
        limited |= near


def _peak_centres(heatmap: NDArray[np.floating], pixels: NDArray[np.int64], window_px: int) -> NDArray[np.float64]:
    """Return the weighted mean of the offsets (N, 2) xy from each keypoint to the pixels that are its own."""
    padded = np.pad(heatmap, window_px)
    x, y = (pixels + window_px).T
    nearest = np.full(padded.shape, window_px + 1, np.int8)  # distance to the nearest keypoint
    for dx, dy in reversed(list(_window(window_px))):
        nearest[y + dy, x + dx] = max(abs(dx), abs(dy))
    total, moments = np.zeros(len(pixels)), np.zeros((len(pixels), 2))
    for dx, dy in _window(window_px):
        weights = np.nan_to_num(padded[y + dy, x + dx].astype(np.float64), posinf=0.0).clip(0.0)
        weights *= nearest[y + dy, x + dx] == max(abs(dx), abs(dy))
        total += weights
        moments += weights[:, None] * (dx, dy)
    centres: NDArray[np.float64] = np.divide(
        moments, total[:, None], out=np.zeros_like(moments), where=total[:, None] > 0
    )
    return centres


def _window(window_px: int) -> Iterator[tuple[int, int]]:
    """Yield the offsets (dx, dy) of the window, the nearest first."""
    side = range(-window_px, window_px + 1)
    yield from sorted(((dx, dy) for dy in side for dx in side), key=lambda xy: max(abs(xy[0]), abs(xy[1])))


def _too_near(pixels: NDArray[np.int64], refined: NDArray[np.float32], radius_px: int) -> NDArray[np.bool_]:
    """Tell which refined keypoints (N, 2) are within `radius_px` of another, on rounded coordinates.

    `pixels` are where they came from: farther apart than the radius, so that a square of that side holds one at most.
    """
    near = np.zeros(len(pixels), bool)
    if not len(pixels):
        return near
    side = radius_px + 1
    reach = -(-(radius_px + 2 * WINDOW_RADIUS_PX) // side)  # squares between two that can meet
    column, row = (pixels // side).T
    columns = int(column.max()) + 1 + 2 * reach
    squares = np.full((int(row.max()) + 1 + reach) * columns + reach, -1)
    at = row * columns + column + reach
    squares[at] = np.arange(len(pixels))
    rounded = np.floor(refined.astype(np.float64) + 0.5)
    for dy in range(reach + 1):
        for dx in range(-reach if dy else 1, reach + 1):
            other = squares[at + dy * columns + dx]
            close = (other >= 0) & (np.abs(rounded - rounded[other]).max(axis=1) <= radius_px)
            near |= close
            near[other[close]] = True
    return near
