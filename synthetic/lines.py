"""Lines: one to nine strokes that do not cross; their ends are corners."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .greys import choose_grey
from .segments import segment_distances, stroke, stroke_thickness
from .visibility import Corners, edge_angles

_MAX_LINES = 9
_CANDIDATES = 20
_GAP_PX = 5.0  # between two lines, so that neither hides or confuses the end of the other


def draw_lines(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint the lines and return their ends."""
    numbers = generator.random(1 + 6 * _CANDIDATES)
    count, table = float(numbers[0]), numbers[1:].reshape(_CANDIDATES, 6)
    height, width = canvas.image_shape
    starts, ends = (table[:, k : k + 2] * (width, height) - 0.5 for k in (0, 2))
    ends = starts + (ends - starts) * np.linspace(1.0, 0.3, _CANDIDATES)[:, None]  # later ones must fit between
    thickness = [stroke_thickness(number, canvas.min_side) for number in table[:, 4].tolist()]
    long_enough = np.hypot(*(ends - starts).T) >= max(0.1 * canvas.min_side, 8.0)
    clear = (segment_distances(starts, ends) >= _GAP_PX + max(thickness)).tolist()
    kept: list[int] = []
    for line in np.flatnonzero(long_enough).tolist():
        if len(kept) <= int(count * _MAX_LINES) and all(clear[line][other] for other in kept):
            kept.append(line)
    along = np.linspace(starts, ends, 9, axis=1)
    for line in kept:
        grey = choose_grey(table[line, 5], canvas.greys_at(along[line]), margin)
        canvas.paint_polygon(stroke(starts[line], ends[line], thickness[line]), grey)
    return line_ends(np.concatenate([starts[kept], ends[kept]]), np.concatenate([ends[kept], starts[kept]]))


def line_ends(points: np.ndarray, others: np.ndarray) -> Corners:
    """Return the ends (N, 2) of strokes towards others (N, 2): corners whose two edges close up around the stroke."""
    return Corners(points, edge_angles(points, others[:, None]) + np.deg2rad([-45.0, 45.0]))
