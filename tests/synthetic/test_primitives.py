"""Each primitive against geometry that is computed here from what was painted."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from superpoint_tf.synthetic import PRIMITIVES, SyntheticConfig, draw_sample
from superpoint_tf.synthetic.board import Board
from superpoint_tf.synthetic.canvas import Canvas
from superpoint_tf.synthetic.checkerboard import draw_checkerboard
from superpoint_tf.synthetic.cube import draw_cube
from superpoint_tf.synthetic.ellipses import draw_ellipses
from superpoint_tf.synthetic.lines import draw_lines
from superpoint_tf.synthetic.noise import draw_noise
from superpoint_tf.synthetic.polygons import draw_polygon, draw_polygons
from superpoint_tf.synthetic.star import draw_star
from superpoint_tf.synthetic.stripes import draw_stripes
from superpoint_tf.synthetic.visibility import Corners, visible_keypoints

SHAPE = (120, 160)
SAMPLES = 40


class RecordingCanvas(Canvas):
    """Remember the polygons in the order in which they are painted."""

    def __init__(self) -> None:
        super().__init__(SHAPE, 1, 100.0)
        self.polygons: list[np.ndarray] = []

    def paint_polygon(self, polygon: np.ndarray, grey: float | np.ndarray) -> None:
        self.polygons.append(polygon)
        super().paint_polygon(polygon, grey)


def drawings(draw: Callable, count: int = SAMPLES) -> list[tuple[list[np.ndarray], Corners]]:
    found = []
    for seed in range(count):
        canvas = RecordingCanvas()
        corners = draw(canvas, np.random.default_rng(seed), 30.0)
        found.append((canvas.polygons, corners))
    return found


def depth_inside(point: np.ndarray, polygon: np.ndarray) -> float:
    """Return how far a point lies inside a convex polygon, pixels; negative outside."""
    following = np.roll(polygon, -1, axis=0)
    edges = following - polygon
    cross = edges[:, 0] * (point[1] - polygon[:, 1]) - edges[:, 1] * (point[0] - polygon[:, 0])
    depth = cross / np.hypot(edges[:, 0], edges[:, 1])
    return float(max(depth.min(), (-depth).min()))


def segments_cross(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    solution = np.linalg.lstsq(np.stack([b - a, c - d], axis=1), c - a, rcond=None)[0]
    return bool(((solution > 0) & (solution < 1)).all())


def only(primitive: str, **changes: object) -> SyntheticConfig:
    return SyntheticConfig(primitives=(primitive,), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_every_keypoint_is_inside_the_border_and_on_contrast(primitive: str) -> None:
    height, width = SHAPE
    for number in range(25):
        image, keypoints = draw_sample(0, number, only(primitive))
        assert (keypoints >= 2).all()
        assert (keypoints <= np.array([width, height]) - 3).all()
        for x, y in np.rint(keypoints).astype(int):
            around = image[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5].astype(int)
            assert around.max() - around.min() >= 10


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_labels_drawn_for_a_higher_minimum_of_contrast_have_that_contrast(primitive: str) -> None:
    for number in range(10):
        for contrast in (0, 80):
            image, keypoints = draw_sample(0, number, only(primitive, min_contrast=contrast))
            for x, y in np.rint(keypoints).astype(int):
                around = image[max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6].astype(int)
                assert around.max() - around.min() >= contrast


@pytest.mark.parametrize("draw", [draw_lines, draw_polygons, draw_star, draw_cube, draw_checkerboard, draw_stripes])
def test_a_higher_minimum_of_contrast_can_only_take_labels_away_from_the_same_corners(draw: Callable) -> None:
    counts = np.zeros(3, int)
    for seed in range(10):
        canvas = Canvas(SHAPE, 2, 100.0)
        corners = draw(canvas, np.random.default_rng(seed), 30.0)
        image = canvas.finish(0.5)
        low, middle, high = (visible_keypoints(image, corners, contrast, 2.0) for contrast in (0, 60, 120))
        rows = [set(map(tuple, keypoints.tolist())) for keypoints in (low, middle, high)]
        assert rows[0] >= rows[1] >= rows[2]
        counts += [len(row) for row in rows]
    assert counts[0] > counts[1] > counts[2]  # or nothing was put to the test


@pytest.mark.parametrize("draw", [draw_ellipses, draw_noise])
def test_ellipses_and_noise_change_the_picture_and_have_no_corner(draw: Callable) -> None:
    for seed in range(5):
        canvas = Canvas(SHAPE, 2, 100.0)
        assert len(draw(canvas, np.random.default_rng(seed), 30.0).points) == 0
        assert canvas.values.std() > 5


def test_a_polygon_is_convex_with_three_to_seven_vertices_none_blunter_than_120_degrees() -> None:
    sizes = set()
    for painted, corners in drawings(draw_polygon, 60) + drawings(draw_polygons, 60):
        assert painted
        np.testing.assert_array_equal(np.concatenate(painted), corners.points)
        for polygon in painted:
            sizes.add(len(polygon))
            back, ahead = np.roll(polygon, 1, axis=0) - polygon, np.roll(polygon, -1, axis=0) - polygon
            cosine = (back * ahead).sum(axis=1) / np.hypot(*back.T) / np.hypot(*ahead.T)
            angles = np.rad2deg(np.arccos(cosine))
            assert angles.max() <= 120.001
            assert angles.sum() == pytest.approx(180 * (len(polygon) - 2))  # convex and simple
    assert {3, 4} < sizes <= set(range(3, 8))


def test_no_vertex_is_hidden_behind_another_polygon_and_no_two_outlines_touch() -> None:
    counts = []
    nested = 0
    for painted, _ in drawings(draw_polygons, 60):
        counts.append(len(painted))
        for k, lower in enumerate(painted):
            for upper in painted[k + 1 :]:
                assert max(depth_inside(vertex, upper) for vertex in lower) < -2
                nested += depth_inside(upper[0], lower) > 0
                for a, b in zip(lower, np.roll(lower, -1, axis=0), strict=True):
                    for c, d in zip(upper, np.roll(upper, -1, axis=0), strict=True):
                        assert not segments_cross(a, b, c, d)
    assert max(counts) >= 6
    assert nested >= 3  # or the order of painting was not put to the test


def test_lines_are_one_to_nine_do_not_cross_and_hide_no_end() -> None:
    counts = set()
    for painted, corners in drawings(draw_lines, 80):
        count = len(painted)
        counts.add(count)
        starts, ends = corners.points[:count], corners.points[count:]
        for k, rectangle in enumerate(painted):
            np.testing.assert_allclose((rectangle[0] + rectangle[3]) / 2, starts[k])
            np.testing.assert_allclose((rectangle[1] + rectangle[2]) / 2, ends[k])
            for other in range(count):
                if other != k:
                    assert not segments_cross(starts[k], ends[k], starts[other], ends[other])
                    assert depth_inside(starts[k], painted[other]) < -2
                    assert depth_inside(ends[k], painted[other]) < -2
    assert min(counts) >= 1
    assert max(counts) == 9


def test_a_star_has_three_to_five_arms_whose_tips_and_centre_are_corners() -> None:
    arms = set()
    for painted, corners in drawings(draw_star):
        arms.add(len(painted))
        tips, centre = corners.points[:-1], corners.points[-1]
        angles = np.sort(np.arctan2(*(tips - centre).T[::-1]))
        assert np.diff(angles, append=angles[0] + 2 * np.pi).min() * len(tips) / (2 * np.pi) > 0.29
        assert len(tips) == len(painted)
        for k, (tip, rectangle) in enumerate(zip(tips, painted, strict=True)):
            np.testing.assert_allclose((rectangle[1] + rectangle[2]) / 2, tip)
            assert depth_inside(centre, rectangle) > 0.3
            for other in painted[k + 1 :]:
                assert depth_inside(tip, other) < -1
    assert arms == {3, 4, 5}


def test_a_cube_shows_seven_vertices_and_hides_the_eighth() -> None:
    for painted, corners in drawings(draw_cube):
        front, a, ab, b, bc, c, ca = corners.points
        for corner, one, other in ((ab, a, b), (bc, b, c), (ca, c, a)):  # three parallelograms at the front vertex
            np.testing.assert_allclose(corner, one + other - front)
        outline = np.stack([a, ab, b, bc, c, ca])
        np.testing.assert_array_equal(painted[0], outline)
        edges = np.roll(outline, -1, axis=0) - outline
        turns = edges[:, 0] * np.roll(edges, -1, axis=0)[:, 1] - edges[:, 1] * np.roll(edges, -1, axis=0)[:, 0]
        assert (turns > 0).all() or (turns < 0).all()
        hidden = a + b + c - 2 * front
        assert depth_inside(front, outline) > 1
        assert depth_inside(hidden, outline) > 1


def boards(monkeypatch: pytest.MonkeyPatch, primitive: str, count: int) -> list[tuple[Board, np.ndarray, np.ndarray]]:
    """Return the board, the picture and the keypoints of some samples."""
    module = importlib.import_module(f"superpoint_tf.synthetic.{primitive}")
    seen: list[Board] = []
    sample = module.sample_board

    def spy(*arguments: object, **options: object) -> Board:
        seen.append(sample(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(module, "sample_board", spy)
    drawn = (draw_sample(3, number, only(primitive)) for number in range(count))
    return [(seen[-1], image, keypoints) for image, keypoints in drawn]


def inside_border(points: np.ndarray) -> np.ndarray:
    points = points.reshape(-1, 2).astype(np.float32)
    return points[((points >= 2) & (points <= np.array(SHAPE[::-1]) - 3)).all(axis=1)]


def test_every_checkerboard_crossing_in_the_frame_is_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = set()
    for board, _, keypoints in boards(monkeypatch, "checkerboard", SAMPLES):
        rows, columns = board.grid.shape[0] - 1, board.grid.shape[1] - 1
        sizes |= {rows, columns}
        np.testing.assert_array_equal(keypoints, inside_border(board.grid))
    assert sizes == {3, 4, 5, 6}


def test_neighbouring_cells_differ_and_cells_are_where_the_grid_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for board, image, _ in boards(monkeypatch, "checkerboard", SAMPLES):
        grid = board.grid
        middles = (grid[:-1, :-1] + grid[1:, 1:] + grid[:-1, 1:] + grid[1:, :-1]) / 4
        x, y = np.rint(middles).astype(int).T
        inside = (x >= 0) & (x < SHAPE[1]) & (y >= 0) & (y < SHAPE[0])
        greys = np.where(inside, image[y.clip(0, SHAPE[0] - 1), x.clip(0, SHAPE[1] - 1)], np.nan)
        for axis in (0, 1):
            steps = np.abs(np.diff(greys, axis=axis))
            assert not (steps < 10).any()


def test_labels_are_where_opencv_refines_the_crossings_to(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = []
    for board, image, _ in boards(monkeypatch, "checkerboard", SAMPLES):
        inner = board.grid[1:-1, 1:-1].reshape(-1, 2).astype(np.float32)
        inner = inner[((inner > 8) & (inner < np.array(SHAPE[::-1]) - 9)).all(axis=1)]
        shortest = min(np.hypot(*np.diff(board.grid, axis=axis).reshape(-1, 2).T).min() for axis in (0, 1))
        if len(inner) and shortest > 12:
            criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 60, 1e-4)
            refined = cv2.cornerSubPix(image, inner[:, None].copy(), (3, 3), (-1, -1), criteria)[:, 0]
            errors.append(refined - inner)
    offsets = np.concatenate(errors)
    assert len(offsets) > 100
    assert np.median(np.hypot(*offsets.T)) < 0.07
    np.testing.assert_allclose(np.median(offsets, axis=0), 0, atol=0.02)  # half a pixel of bias would be .5


def test_stripes_have_five_to_twelve_columns_and_the_ends_of_all_boundaries_are_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = set()
    for board, _, keypoints in boards(monkeypatch, "stripes", 80):
        assert board.grid.shape[0] == 2
        columns.add(board.grid.shape[1] - 1)
        np.testing.assert_array_equal(keypoints, inside_border(board.grid))
    assert columns == set(range(5, 13))
