"""A corner is a label if it is inside the frame and two edges that meet there can be seen."""

from __future__ import annotations

import numpy as np

from superpoint_tf.synthetic.visibility import Corners, edge_angles, visible_keypoints

RIGHT, DOWN, LEFT, UP = 0.0, np.pi / 2, np.pi, -np.pi / 2
CENTRE = np.array([[7.5, 7.5]])


def quadrants(upper_left: int, upper_right: int, lower_left: int, lower_right: int) -> np.ndarray:
    """Return a picture (16, 16) whose four quarters meet at (7.5, 7.5)."""
    image = np.zeros((16, 16), np.uint8)
    image[:8, :8], image[:8, 8:], image[8:, :8], image[8:, 8:] = upper_left, upper_right, lower_left, lower_right
    return image


def is_label(image: np.ndarray, *angles: float, min_contrast: int = 10) -> bool:
    return len(visible_keypoints(image, Corners(CENTRE, np.array([angles])), min_contrast, 2.0)) == 1


def test_a_corner_needs_ten_grey_levels_between_its_sides() -> None:
    assert is_label(quadrants(60, 50, 50, 50), LEFT, UP)
    assert not is_label(quadrants(59, 50, 50, 50), LEFT, UP)
    assert is_label(quadrants(59, 50, 50, 50), LEFT, UP, min_contrast=9)


def test_a_corner_on_a_flat_picture_is_no_label_even_without_a_minimum() -> None:
    assert not is_label(quadrants(50, 50, 50, 50), LEFT, UP, min_contrast=0)


def test_a_crossing_whose_rows_have_one_grey_is_a_straight_edge_and_no_label() -> None:
    assert not is_label(quadrants(90, 90, 30, 30), RIGHT, DOWN, LEFT, UP)
    assert not is_label(quadrants(90, 30, 90, 30), RIGHT, DOWN, LEFT, UP)


def test_a_crossing_of_which_a_t_remains_is_a_label() -> None:
    assert is_label(quadrants(90, 90, 30, 60), RIGHT, DOWN, LEFT, UP)
    assert is_label(quadrants(90, 30, 30, 90), RIGHT, DOWN, LEFT, UP)


def test_absent_edges_are_nan_and_their_place_does_not_matter() -> None:
    image = quadrants(90, 30, 30, 30)
    assert is_label(image, np.nan, LEFT, np.nan, UP)
    assert is_label(image, UP, LEFT, np.nan, np.nan)
    assert not is_label(image, LEFT, np.nan, np.nan, np.nan)


def test_the_border_is_cut_at_two_pixels_from_the_outermost_pixel_centres() -> None:
    points = np.array([[1.9, 8], [2, 8], [13, 8], [13.1, 8], [8, 1.9], [8, 13.1], [-5, 8], [99, 99]])
    image = (np.indices((16, 16)).sum(axis=0) * 8).astype(np.uint8)  # a slope: contrast everywhere
    corners = Corners(points, np.tile([DOWN, RIGHT], (8, 1)))
    np.testing.assert_array_equal(visible_keypoints(image, corners, 5, 2.0), [[2, 8], [13, 8]])


def test_no_corners_give_an_empty_array_of_pairs() -> None:
    keypoints = visible_keypoints(quadrants(1, 2, 3, 4), Corners.none(), 10, 2.0)
    assert keypoints.shape == (0, 2)
    assert keypoints.dtype == np.float32


def test_angles_are_those_of_x_right_and_y_down() -> None:
    ends = np.array([[[9.0, 7.5], [7.5, 9.0], [np.nan, np.nan]]])
    np.testing.assert_allclose(edge_angles(CENTRE, ends), [[RIGHT, DOWN, np.nan]])
