"""Star: three to five arms of different greys from one centre; the tips and the centre are corners."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .greys import choose_grey
from .lines import line_ends
from .segments import stroke, stroke_thickness
from .visibility import Corners

_MAX_ARMS = 5
_JITTER = 0.35  # of the even angle between arms, so that two tips never come together
_SHORTEST = 0.45  # of the longest possible arm


def draw_star(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint a star and return its tips and its centre."""
    count, turn, size, *centre_numbers = generator.random(5)
    numbers = generator.random((_MAX_ARMS, 4))
    arms = 3 + int(count * 3)
    slice_ = 2 * np.pi / arms
    angles = slice_ * (np.arange(arms) + _JITTER * (2 * numbers[:arms, 0] - 1)) + 2 * np.pi * turn
    longest = canvas.min_side * (0.2 + 0.35 * size)
    lengths = np.maximum(longest * (_SHORTEST + (1 - _SHORTEST) * numbers[:arms, 1]), 8.0)
    height, width = canvas.image_shape
    centre = (0.2 + 0.6 * np.array(centre_numbers)) * (width, height)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    tips = centre + lengths[:, None] * directions
    around = canvas.greys_at(np.linspace(centre, tips, 5).reshape(-1, 2))  # before the first arm is painted
    for arm in range(arms):
        thickness = stroke_thickness(numbers[arm, 2], canvas.min_side)
        grey = choose_grey(numbers[arm, 3], around, margin)
        start = centre - directions[arm] * thickness / 2  # the arms close over the centre
        canvas.paint_polygon(stroke(start, tips[arm], thickness), grey)
    ends = line_ends(tips, np.broadcast_to(centre, tips.shape))
    flanks = np.sort(np.concatenate([angles - 0.15 * slice_, angles + 0.15 * slice_]))
    flanks = (flanks + np.pi) % (2 * np.pi) - np.pi
    table = np.full((arms + 1, 2 * arms), np.nan)
    table[:arms, :2] = ends.edge_angles
    table[arms] = flanks
    return Corners(np.concatenate([tips, centre[None]]), table)
