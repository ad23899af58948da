"""Stripes: a board of 5 to 12 uneven columns in perspective; the ends of the boundaries are corners."""

from __future__ import annotations

import numpy as np

from .board import board_corners, paint_board, sample_board
from .canvas import Canvas
from .greys import choose_grey
from .visibility import Corners

_EVENNESS = 0.4  # the narrowest stripe before all are scaled to fill the board; the widest is 1


def draw_stripes(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint stripes and return the ends of their boundaries."""
    columns = 5 + int(8 * generator.random())
    widths = _EVENNESS + (1 - _EVENNESS) * generator.random(12)[:columns]
    numbers = generator.random(12)
    knots = np.concatenate([[0.0], np.cumsum(widths) / widths.sum()])
    knots[-1] = 1.0
    board = sample_board(generator, canvas.image_shape, knots, np.array([0.0, 1.0]), scale=(0.6, 1.3), min_cell_px=4.0)
    around = canvas.greys_at(board.grid.reshape(-1, 2))
    greys = [choose_grey(numbers[0], around, margin)]
    for number in numbers[1:columns]:
        greys.append(choose_grey(number, np.append(around, greys[-1]), margin))
    paint_board(canvas, board, np.array([greys]))
    return board_corners(board)
