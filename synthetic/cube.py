"""Cube: a box in parallel projection with three visible faces; its seven visible vertices are corners."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .greys import choose_grey
from .visibility import Corners, edge_angles

_CANDIDATES = 16
_FAR = 50.0  # edge lengths; farther than the outline from the front vertex
_MIN_RADIUS_PX = 14.0
_MIN_FACING = 0.3  # cosine between a visible face's normal and the line of sight; 1 is face-on
# The visible vertices as signs along the three axes: the front one, then the outline in order around it.
_VISIBLE = np.array([[1, 1, 1], [-1, 1, 1], [-1, -1, 1], [1, -1, 1], [1, -1, -1], [1, 1, -1], [-1, 1, -1]], dtype=float)
_NEIGHBOURS = ((1, 3, 5), (0, 2, 6), (1, 3, -1), (0, 2, 4), (3, 5, -1), (0, 4, 6), (1, 5, -1))  # -1: none visible


def draw_cube(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint a cube and return its seven visible vertices; the eighth is behind it."""
    size, *numbers = generator.random(9)
    axes = _sample_axes(generator.standard_normal((_CANDIDATES, 4)))
    shape = _VISIBLE * (0.5 + 0.5 * np.array(numbers[:3])) @ axes
    radius = max(canvas.min_side * (0.22 + 0.3 * size), _MIN_RADIUS_PX)
    shape *= radius / np.hypot(shape[:, 0], shape[:, 1]).max()
    height, width = canvas.image_shape
    vertices = shape + (0.25 + 0.5 * np.array(numbers[3:5])) * (width, height)
    around = canvas.greys_at(vertices[1:])
    greys: list[float] = []
    for number in numbers[5:]:
        greys.append(choose_grey(number, np.append(around, greys), margin))
    _paint_faces(canvas, vertices, greys)
    ends = np.concatenate([vertices, [[np.nan, np.nan]]])[np.array(_NEIGHBOURS)]
    return Corners(vertices, edge_angles(vertices, ends))


def _sample_axes(quaternions: np.ndarray) -> np.ndarray:
    """Return where a random rotation puts the three axes in the picture, (3, 2), each turned towards the viewer."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    axes = np.moveaxis(np.array(rows), -1, 0)  # (candidates, axis, xyz)
    facing = np.abs(axes[:, :, 2]).min(axis=1)
    sound = facing >= _MIN_FACING
    chosen = axes[int(sound.argmax() if sound.any() else facing.argmax())]
    return chosen[:, :2] * np.where(chosen[:, 2:] < 0, -1.0, 1.0)


def _paint_faces(canvas: Canvas, vertices: np.ndarray, greys: list[float]) -> None:
    """Paint three faces within one outline, each seam blended once, so that nothing below shines through.

    The three edges at the front vertex part the plane. The first face is the ground, the second covers the half plane
    beyond the edge between them, the third its own corner.
    """
    front, outline = vertices[0], vertices[1:]
    first, second, third = (_FAR * (vertices[k] - front) for k in _NEIGHBOURS[0])
    half_plane = front + np.array([second, second + third, third - second, -second])
    corner = front + np.array([0 * first, third, third + first, first])
    box = canvas.box(outline)
    levels = canvas.sheet("levels", box)
    levels.fill(greys[0])
    for region, grey in ((half_plane, greys[1]), (corner, greys[2])):
        change = canvas.coverage(region, box)
        change *= np.subtract(grey, levels, out=canvas.sheet("crossed", box), dtype=np.float32)
        levels += change
    canvas.paint_polygon(outline, levels)
