"""The last steps on a disparity map: between whole pixels, and two filters."""

from __future__ import annotations

import cv2
import numpy as np

_MEDIAN_SIDE = 5


def refine_subpixel(disparity: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Move disparities (H, W), whole numbers, to the least of a parabola through the costs of d - 1, d and d + 1.

    (Zbontar and LeCun 2016, section 4.4.) They stay where d is an end of the range or not below both neighbours; so the
    move is half a pixel at most.
    """
    middle = np.rint(disparity).astype(int)
    rows, columns = np.indices(middle.shape)
    within = (middle > 0) & (middle < len(volume) - 1)
    near = np.clip(middle, 1, max(len(volume) - 2, 1))
    if len(volume) < 3:
        return disparity.astype(np.float32)
    low, mid, high = (volume[near + step, rows, columns].astype(np.float64) for step in (-1, 0, 1))
    bend = low - 2.0 * mid + high
    minimum = within & (mid <= low) & (mid <= high) & (bend > 0)
    move = np.where(minimum, (low - high) / np.where(minimum, 2.0 * bend, 1.0), 0.0)
    return (disparity + move).astype(np.float32)


def median_filter(disparity: np.ndarray) -> np.ndarray:
    """Return the median of 5 x 5 pixels, float32 (H, W); edges are repeated."""
    return np.asarray(cv2.medianBlur(np.ascontiguousarray(disparity, np.float32), _MEDIAN_SIDE))


def bilateral_filter(disparity: np.ndarray, sigma_px: float, difference_px: float) -> np.ndarray:
    """Return the mean over near pixels with near disparities, float32 (H, W).

    Weights are Gaussian in distance (deviation `sigma_px`) and in the difference of the disparities (`difference_px`);
    MC-CNN's are 1 below a limit of the difference and 0 above.
    """
    reach = 2 * int(np.ceil(2.0 * sigma_px)) + 1
    return np.asarray(cv2.bilateralFilter(np.ascontiguousarray(disparity, np.float32), reach, difference_px, sigma_px))
