"""Noise: Gaussian noise over the background; it is full of contrast and has no corner."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas
from .visibility import Corners


def draw_noise(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Add white noise of 20 to 80 grey levels, one number a finished pixel, and return no corners."""
    std = 20 + 60 * generator.random(dtype=np.float32)
    noise = std * generator.standard_normal(canvas.image_shape, dtype=np.float32)
    canvas.values += cv2.resize(noise, canvas.values.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return Corners.none()
