"""A flat board of rectangular cells seen in perspective: what checkerboard and stripes have in common."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .canvas import Canvas, ramp, ramp_width
from .visibility import Corners, edge_angles

_ATTEMPTS = 16
_UNIT_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


class Board(NamedTuple):
    """Hold a board: `grid` (R + 1, C + 1, 2) its crossings in pixels, `quad` (4, 2) its outline, `to_image` (3, 3)
    from the unit square, and the knots in [0, 1] at which columns (C + 1,) and rows (R + 1,) begin and end."""

    grid: np.ndarray
    quad: np.ndarray
    to_image: np.ndarray
    columns: np.ndarray
    rows: np.ndarray


def sample_board(
    generator: np.random.Generator,
    image_shape: tuple[int, int],
    columns: np.ndarray,
    rows: np.ndarray,
    scale: tuple[float, float],
    min_cell_px: float,
) -> Board:
    """Return a random view of a board whose cells are all at least `min_cell_px` wide.

    scale: range of the board's sides in sides of the frame; above 1 it leaves the frame.
    """
    height, width = image_shape
    frame = np.array([width, height])
    plain = (frame - 1) / 2 + (_UNIT_SQUARE - 0.5) * 0.9 * frame
    for numbers in generator.random((_ATTEMPTS, 13)):
        half = frame * (scale[0] + (scale[1] - scale[0]) * numbers[:2]) / 2
        corners = (2 * _UNIT_SQUARE - 1 + 0.5 * (numbers[2:10].reshape(4, 2) - 0.5)) * half
        angle = np.pi * (numbers[10] - 0.5)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = (frame - 1) / 2 + (numbers[11:13] - 0.5) * 0.5 * frame
        board = _view(corners @ turn.T + centre, columns, rows)
        if _shortest_side(board.grid) >= min_cell_px and _is_convex(board.quad):
            return board
    return _view(plain, columns, rows)


def paint_board(canvas: Canvas, board: Board, greys: np.ndarray) -> None:
    """Paint the cells with greys (R, C) in [0, 255], every boundary antialiased where the perspective puts it."""
    box = canvas.box(board.quad)
    if not canvas.values[box].size:
        return
    to_unit = cv2.getPerspectiveTransform(board.quad.astype(np.float32), _UNIT_SQUARE)
    cells_x, cells_y, levels = (canvas.sheet(name, box) for name in ("cells_x", "cells_y", "levels"))
    _count_knots(to_unit[0], to_unit[2], board.columns, canvas, box, cells_x)
    _count_knots(to_unit[1], to_unit[2], board.rows, canvas, box, cells_y)
    # Between two cells the count climbs by one within a pixel, so that linear interpolation is the antialiasing.
    cv2.remap(greys.astype(np.float32), cells_x, cells_y, cv2.INTER_LINEAR, levels, cv2.BORDER_REPLICATE)
    canvas.paint_polygon(board.quad, levels)


def board_corners(board: Board) -> Corners:
    """Return every crossing of the board, its outline's included, with the two to four edges that meet there."""
    grid = board.grid
    ends = np.full((*grid.shape[:2], 4, 2), np.nan)
    ends[:, :-1, 0] = grid[:, 1:]
    ends[:-1, :, 1] = grid[1:]
    ends[:, 1:, 2] = grid[:, :-1]
    ends[1:, :, 3] = grid[:-1]
    points = grid.reshape(-1, 2)
    return Corners(points, edge_angles(points, ends.reshape(-1, 4, 2)))


def _view(quad: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> Board:
    to_image = cv2.getPerspectiveTransform(_UNIT_SQUARE, quad.astype(np.float32))
    knots = np.stack([*np.meshgrid(columns, rows), np.ones((len(rows), len(columns)))], axis=-1)
    mapped = knots @ to_image.T
    return Board(mapped[..., :2] / mapped[..., 2:], quad, to_image, columns, rows)


def _shortest_side(grid: np.ndarray) -> float:
    sides = (np.diff(grid, axis=axis) for axis in (0, 1))
    return min(float(np.hypot(side[..., 0], side[..., 1]).min()) for side in sides)


def _is_convex(quad: np.ndarray) -> bool:
    """Return whether every angle of a quadrilateral (4, 2) is between 30 and 150 degrees, all turning one way."""
    edges = np.roll(quad, -1, axis=0) - quad
    edges = edges / np.maximum(np.hypot(edges[:, 0], edges[:, 1]), 1e-9)[:, None]
    following = np.roll(edges, -1, axis=0)
    return bool((edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] > 0.5).all())


def _count_knots(
    row: np.ndarray, last: np.ndarray, knots: np.ndarray, canvas: Canvas, box: tuple[slice, slice], count: np.ndarray
) -> None:
    """Write how many inner knots lie before each fine pixel of the box: the index of its cell, with soft steps.

    The board's coordinate there is (row . xy1) / (last . xy1), so each knot is a straight line in the picture.
    """
    ys, xs = canvas.ys[box[0]], canvas.xs[box[1]]
    count.fill(0)
    step = canvas.sheet("crossed", box)
    for knot in knots[1:-1].tolist():
        a, b, c = (row - knot * last).tolist()
        rate = canvas.scale / ramp_width(a, b)
        ramp(rate * b * ys + (rate * c + 0.5), rate * a * xs, step)
        count += step
