"""Ellipses: round shapes that do not touch; they have edges and contrast but no corner."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Canvas
from .greys import choose_grey
from .visibility import Corners

_CANDIDATES = 20
_SUBPIXEL_BITS = 4


def draw_ellipses(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint ellipses and return no corners."""
    numbers = generator.random((_CANDIDATES, 6))
    height, width = canvas.image_shape
    centres = numbers[:, :2] * (width, height)
    axes = np.maximum((0.03 + 0.17 * numbers[:, 2:4]) * canvas.min_side, 3.0)
    reach = axes.max(axis=1)
    kept: list[int] = []
    for k in range(_CANDIDATES):
        gaps = np.hypot(*(centres[kept] - centres[k]).T) - reach[kept] - reach[k]
        if (gaps >= 2).all():
            kept.append(k)
    fixed = canvas.scale * (1 << _SUBPIXEL_BITS)
    for k in kept:
        outline = centres[k] + axes[k] * [(-1, 0), (1, 0), (0, -1), (0, 1)]
        grey = choose_grey(numbers[k, 5], canvas.greys_at(np.vstack([outline, centres[k]])), margin)
        centre = [round(v) for v in ((centres[k] + 0.5) * fixed - fixed / canvas.scale / 2).tolist()]
        axis = [round(v) for v in (axes[k] * fixed).tolist()]
        turn = 180 * float(numbers[k, 4])
        cv2.ellipse(canvas.values, centre, axis, turn, 0, 360, (grey,), -1, cv2.LINE_8, _SUBPIXEL_BITS)
    return Corners.none()
