"""Polygon and several polygons: convex, none with an angle above 120 degrees; the vertices are corners."""

from __future__ import annotations

import cmath
import itertools
from collections.abc import Iterator

import numpy as np

from .canvas import Canvas
from .greys import choose_grey
from .segments import segment_distances
from .visibility import Corners, edge_angles

_MAX_VERTICES = 7
_MAX_ANGLE = np.deg2rad(120.0)  # a blunter vertex is hardly a corner; with none of them a polygon is convex
_MIN_ANGLE = np.deg2rad(20.0)  # a sharper tip fades before it ends
_MIN_EDGE_PX = 6.0
_GAP_PX = 5.0  # between the edges of two polygons
_LARGE_SHARE = 0.4  # of the pictures of several polygons that begin with a large one
_ATTEMPTS = 12
_CANDIDATES = 14
_NUMBERS = 4 + 2 * _MAX_VERTICES  # count, radius, centre x and y, then an angle and a distance a vertex


def draw_polygon(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint one polygon and return its vertices."""
    greys = generator.random(1).tolist()
    found = sample_polygons(generator.random((_ATTEMPTS, _NUMBERS)), canvas.image_shape, 0.15, 0.5)
    return _paint(list(itertools.islice(found, 1)), greys, canvas, margin)


def draw_polygons(canvas: Canvas, generator: np.random.Generator, margin: float) -> Corners:
    """Paint several polygons and return their vertices.

    Their edges neither cross nor come near each other, which would make corners of no polygon; but a polygon may lie
    within another. The larger are painted first, so that no vertex is hidden.
    """
    large, *greys = generator.random(1 + _CANDIDATES).tolist()
    numbers = generator.random((_CANDIDATES, _NUMBERS))
    if large < _LARGE_SHARE:
        numbers[0, 1] = 2.0  # twice the span of radii: .52, so that others find room inside it
    found = list(sample_polygons(numbers, canvas.image_shape, 0.08, 0.3))
    kept = sorted(_without_contact(found), key=_area, reverse=True)
    return _paint(kept, greys, canvas, margin)


def sample_polygons(
    numbers: np.ndarray, image_shape: tuple[int, int], min_radius: float, max_radius: float
) -> Iterator[np.ndarray]:
    """Yield the convex polygons, each (K, 2), that uniform numbers (M, 18) make; at most one a row.

    Vertices lie around a centre, one in each slice of the circle; the bluntest is removed until none has more than
    120 degrees, and a row with fewer than three left, or with a needle among them, gives none. Radii are in shorter
    sides of the picture.
    """
    counts = 3 + (numbers[:, 0] * (_MAX_VERTICES - 2)).astype(np.intp)
    radius = (min_radius + (max_radius - min_radius) * numbers[:, 1:2]) * min(image_shape)
    centres = 0.6 * radius + numbers[:, 2:4] * (np.array(image_shape[::-1]) - 1.2 * radius)
    turns, distances = numbers[:, 4 : 4 + _MAX_VERTICES], numbers[:, 4 + _MAX_VERTICES :]
    directions = 2 * np.pi * (np.arange(_MAX_VERTICES) + turns) / counts[:, None]
    vertices = centres[:, 0] + 1j * centres[:, 1]  # x + iy: turns and angles are products
    vertices = vertices[:, None] + radius * (0.4 + 0.6 * distances) * np.exp(1j * directions)
    for row, count in zip(vertices.tolist(), counts.tolist(), strict=True):
        if kept := _without_blunt_vertices(row[:count]):
            yield np.array(kept).view(np.float64).reshape(-1, 2)


def _without_blunt_vertices(vertices: list[complex]) -> list[complex]:
    """Return what is left of a polygon when its bluntest vertex went, until none is blunt; nothing if it is unsound."""
    while len(vertices) > 2:
        ahead = [end - start for start, end in zip(vertices, vertices[1:] + vertices[:1], strict=True)]
        angles = [cmath.phase(-back * on.conjugate()) for back, on in zip(ahead[-1:] + ahead[:-1], ahead, strict=True)]
        # Three slices can turn the order around; a triangle is convex either way.
        angles = [abs(angle) if len(vertices) == 3 else angle % (2 * np.pi) for angle in angles]
        bluntest = max(angles)
        if bluntest <= _MAX_ANGLE:
            return vertices if min(angles) >= _MIN_ANGLE and min(map(abs, ahead)) >= _MIN_EDGE_PX else []
        place = angles.index(bluntest)
        vertices = vertices[:place] + vertices[place + 1 :]
    return []


def _area(polygon: np.ndarray) -> float:
    points = polygon.tolist()
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, points[1:] + points[:1], strict=True))) / 2


def _without_contact(polygons: list[np.ndarray]) -> list[np.ndarray]:
    """Return those polygons whose edges keep clear of every earlier one that was kept."""
    if not polygons:
        return []
    starts = np.concatenate(polygons)
    ends = np.concatenate([part for polygon in polygons for part in (polygon[1:], polygon[:1])])
    first = np.cumsum([0] + [len(polygon) for polygon in polygons[:-1]])
    nearest = segment_distances(starts, ends)
    nearest = np.minimum.reduceat(np.minimum.reduceat(nearest, first, axis=0), first, axis=1)
    clear = (nearest >= _GAP_PX).tolist()
    kept: list[int] = []
    for k in range(len(polygons)):
        if all(clear[k][other] for other in kept):
            kept.append(k)
    return [polygons[k] for k in kept]


def _paint(polygons: list[np.ndarray], greys: list[float], canvas: Canvas, margin: float) -> Corners:
    if not polygons:
        return Corners.none()
    points, ends = [], []
    for polygon, number in zip(polygons, greys, strict=False):
        canvas.paint_polygon(polygon, choose_grey(number, canvas.greys_at(polygon), margin))
        points.append(polygon)
        ends.append(np.concatenate([polygon[-1:], polygon, polygon[:1]]))
    corners = np.concatenate(points)
    neighbours = np.stack([np.concatenate([e[:-2] for e in ends]), np.concatenate([e[2:] for e in ends])], axis=1)
    return Corners(corners, edge_angles(corners, neighbours))
