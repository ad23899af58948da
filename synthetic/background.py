"""The blotchy background: soft ellipses around one grey level."""

from __future__ import annotations

import cv2
import numpy as np

_STRIDE = 4  # blotches are soft: a quarter of the resolution holds all of them
_MAX_BLOTCHES = 24
_SUBPIXEL_BITS = 4


def draw_background(generator: np.random.Generator, image_shape: tuple[int, int]) -> np.ndarray:
    """Return a smooth background, float32 (H, W) grey levels."""
    height, width = image_shape
    rows, columns = -(-height // _STRIDE), -(-width // _STRIDE)
    base, strength, count, softness = generator.random(4)
    blotches = generator.random((_MAX_BLOTCHES, 6))[: 8 + int(count * (_MAX_BLOTCHES - 7))]
    base = 30 + 195 * base
    amplitude = 5 + 55 * strength**2  # most walls are calm
    small: np.ndarray = np.full((rows, columns), base, np.float32)
    fixed = 1 << _SUBPIXEL_BITS
    radius = max(min(rows, columns) * 0.22, 2.0)
    centres = np.rint(blotches[:, :2] * (columns, rows) * fixed).astype(int).tolist()
    axes = np.rint((0.2 + 0.8 * blotches[:, 2:4]) * radius * fixed).astype(int).tolist()
    for centre, axis, (turn, grey) in zip(centres, axes, blotches[:, 4:].tolist(), strict=True):
        level = base + (2 * grey - 1) * amplitude
        cv2.ellipse(small, centre, axis, 180 * turn, 0, 360, (level,), -1, cv2.LINE_8, _SUBPIXEL_BITS)
    small = cv2.GaussianBlur(small, (0, 0), 0.8 + 2.2 * softness, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
