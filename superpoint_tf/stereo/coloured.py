"""Disparities as a picture in colours."""

from __future__ import annotations

import cv2
import numpy as np


def colour_disparity(disparity: np.ndarray, largest_px: float | None = None) -> np.ndarray:
    """Return float32 (H, W) as uint8 BGR (H, W, 3): near is red, far is blue, unknown is black.

    Red is at `largest_px`, or at the largest disparity there is.
    """
    known = np.isfinite(disparity)
    values = np.where(known, disparity, 0.0)
    most = max(float(values.max(initial=0.0)) if largest_px is None else largest_px, 1e-6)
    levels = np.rint(np.clip(values / most, 0.0, 1.0) * 255.0).astype(np.uint8)
    coloured = np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO))
    coloured[~known] = 0
    return coloured
