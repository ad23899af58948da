"""The canvas puts edges where the vertices say, to a few hundredths of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.synthetic.canvas import Canvas
from superpoint_tf.synthetic.polygons import sample_polygons

SQUARE = np.array([[1.5, 0.5], [3.5, 0.5], [3.5, 2.5], [1.5, 2.5]])


def painted(polygon: np.ndarray, scale: int = 2, shape: tuple[int, int] = (4, 6)) -> np.ndarray:
    canvas = Canvas(shape, scale)
    canvas.paint_polygon(polygon, 100.0)
    return canvas.finish()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_square_on_pixel_borders_fills_exactly_those_pixels(scale: int) -> None:
    expected = np.zeros((4, 6), np.uint8)
    expected[1:3, 2:4] = 100
    np.testing.assert_array_equal(painted(SQUARE, scale), expected)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_an_edge_through_the_centre_of_a_pixel_covers_half_of_it(scale: int) -> None:
    half = np.array([[-1.0, -1.0], [2.0, -1.0], [2.0, 4.0], [-1.0, 4.0]])
    np.testing.assert_array_equal(painted(half, scale)[0], [100, 100, 50, 0, 0, 0])


def test_both_orientations_paint_the_same() -> None:
    np.testing.assert_array_equal(painted(SQUARE), painted(SQUARE[::-1]))


@pytest.mark.parametrize("shift", [(9, 0), (-9, 0), (0, 9), (0, -9), (40, 40), (-40, -40)])
def test_a_polygon_outside_the_frame_paints_nothing(shift: tuple[int, int]) -> None:
    assert not painted(SQUARE + np.array(shift)).any()


def test_a_polygon_larger_than_the_frame_fills_it() -> None:
    assert (painted((SQUARE - SQUARE.mean(axis=0)) * 100) == 100).all()


def test_area_and_centroid_are_those_of_the_polygon() -> None:
    polygons = sample_polygons(np.random.default_rng(0).random((60, 18)), (60, 60), 0.15, 0.35)
    inside = [p for p in polygons if p.min() > 1 and p.max() < 58]
    assert len(inside) > 15
    y, x = np.mgrid[:60, :60]
    for polygon in inside:
        image = painted(polygon, 2, (60, 60)) / 100.0
        area, centroid = area_and_centroid(polygon)
        assert image.sum() == pytest.approx(area, rel=0.01)
        assert (image * x).sum() / image.sum() == pytest.approx(centroid[0], abs=0.03)
        assert (image * y).sum() / image.sum() == pytest.approx(centroid[1], abs=0.03)


def test_coverage_is_within_a_twentieth_of_point_sampling() -> None:
    fine = 16
    coordinate = (np.arange(40 * fine) + 0.5) / fine - 0.5
    x, y = np.meshgrid(coordinate, coordinate)
    for polygon in sample_polygons(np.random.default_rng(1).random((12, 18)), (40, 40), 0.15, 0.4):
        edges = np.roll(polygon, -1, axis=0) - polygon
        sides = [a * (y - py) - b * (x - px) for (a, b), (px, py) in zip(edges, polygon, strict=True)]
        exact = np.all([side > 0 for side in sides], axis=0) | np.all([side < 0 for side in sides], axis=0)
        exact = exact.reshape(40, fine, 40, fine).mean(axis=(1, 3))
        np.testing.assert_allclose(painted(polygon, 2, (40, 40)) / 100.0, exact, atol=0.06)


def area_and_centroid(polygon: np.ndarray) -> tuple[float, np.ndarray]:
    following = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]
    return abs(cross.sum()) / 2, ((polygon + following) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
