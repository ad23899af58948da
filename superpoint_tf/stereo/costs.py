"""Classical costs of rectified pairs, and what is done with any: the least of them, the other picture's, box sums.

A volume of costs is float32 (D, H, W): what it costs that the left pixel (y, x) is the right pixel (y, x - d), for the
disparities d = 0 to D - 1. Where x - d is left of the right picture the cost is the highest of its kind.
"""

from __future__ import annotations

import cv2
import numpy as np

CENSUS_SIDE = 9
DEFAULT_DISPARITIES = 64
_BIT_COUNTS = np.array([bin(value).count("1") for value in range(256)], np.uint8)


def absolute_differences(left: np.ndarray, right: np.ndarray, num_disparities: int) -> np.ndarray:
    """Return |left - right| of grey levels uint8 (H, W), in [0, 255]."""
    volume = np.full((num_disparities, *left.shape), 255.0, np.float32)
    for d, seen, there in _shifts(left.shape[1], num_disparities):
        volume[d][:, seen] = cv2.absdiff(np.ascontiguousarray(left[:, seen]), np.ascontiguousarray(right[:, there]))
    return volume


def census(left: np.ndarray, right: np.ndarray, num_disparities: int, side: int = CENSUS_SIDE) -> np.ndarray:
    """Return in how many of `side` x `side` pixels the census of two pictures differs (Zabih and Woodfill 1994)."""
    first, second = census_bits(left, side), census_bits(right, side)
    volume = np.full((num_disparities, *left.shape), side * side - 1, np.float32)
    for d, seen, there in _shifts(left.shape[1], num_disparities):
        volume[d][:, seen] = _BIT_COUNTS[first[:, seen] ^ second[:, there]].sum(axis=-1)
    return volume


def census_bits(picture: np.ndarray, side: int) -> np.ndarray:
    """Return which neighbours are darker than the pixel, as bits uint8 (H, W, N); edges are repeated."""
    (height, width), around = picture.shape, side // 2
    padded = np.pad(picture, around, "edge")
    windows = [padded[y : y + height, x : x + width] for y in range(side) for x in range(side)]
    del windows[side * side // 2]
    return np.packbits(np.stack([window < picture for window in windows], axis=-1), axis=-1)


def box_mean(volume: np.ndarray, side: int) -> np.ndarray:
    """Return the mean of the costs over `side` x `side` pixels of the same disparity."""
    return np.stack([cv2.blur(costs, (side, side)) for costs in volume])


def least_cost(volume: np.ndarray) -> np.ndarray:
    """Return the disparity of the least cost (winner takes all), float32 (H, W); the smallest of equal ones."""
    return volume.argmin(axis=0).astype(np.float32)


def right_volume(volume: np.ndarray) -> np.ndarray:
    """Return the costs of the right picture's pixels: (y, x) with the left pixel (y, x + d)."""
    result = np.full_like(volume, volume.max(initial=0.0))
    for d, seen, there in _shifts(volume.shape[2], len(volume)):
        result[d][:, there] = volume[d][:, seen]
    return result


def _shifts(width: int, num_disparities: int) -> list[tuple[int, slice, slice]]:
    """Return each disparity with the columns of the left picture that it leaves, and theirs in the right one."""
    return [(d, slice(d, width), slice(0, width - d)) for d in range(min(num_disparities, width))]
