"""Checkerboard: 3 to 6 by 3 to 6 cells in perspective; every crossing is a corner, the outline's included."""

from __future__ import annotations

import numpy as np

from .board import board_corners, paint_board, sample_board
from .canvas import Canvas
from .greys import choose_grey
from .visibility import Corners

_MAX_SPREAD = 40.0  # grey levels within the dark and within the bright cells


def draw_checkerboard(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint a checkerboard and return its crossings."""
    count_rows, count_columns, first, second, spread = generator.random(5)
    rows, columns = 3 + int(4 * count_rows), 3 + int(4 * count_columns)
    jitter = generator.random((6, 6))[:rows, :columns] - 0.5
    knots = np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1)
    board = sample_board(generator, canvas.image_shape, *knots, scale=(0.55, 1.15), min_cell_px=4.5)
    outline = np.concatenate([board.grid[0], board.grid[-1], board.grid[1:-1, 0], board.grid[1:-1, -1]])
    around = canvas.greys_at(outline)
    one = choose_grey(first, around, margin)
    other = choose_grey(second, np.append(around, one), margin)
    # Cells of one parity vary, but never so much that neighbours come nearer than the margin.
    free = max(abs(one - other) - margin, 0.0)
    greys = np.where(np.indices((rows, columns)).sum(axis=0) % 2, one, other) + jitter * min(free, _MAX_SPREAD) * spread
    paint_board(canvas, board, greys.clip(0, 255))
    return board_corners(board)
