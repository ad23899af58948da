"""Taps of kernels: where they lie, how maps move them, and the constrained direct linear transform."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.geometry.kernel_grids import (
    affine_taps,
    homographies_of_corners,
    homography_taps,
    kernel_taps,
    shift_grid,
)

CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)


def test_taps_lie_about_the_centre_row_by_row() -> None:
    np.testing.assert_array_equal(kernel_taps(3)[:4], [[-1, -1], [0, -1], [1, -1], [-1, 0]])
    np.testing.assert_array_equal(kernel_taps(1), [[0, 0]])
    np.testing.assert_array_equal(kernel_taps(2), [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])


def test_equal_shifts_move_every_pixel() -> None:
    grid = shift_grid((2, 3), tf.constant([[0.0, 0.0], [1.5, -2.0]]))
    assert grid.shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(grid[1, 2], [[2, 1], [3.5, -1]])


def test_each_pixel_may_have_shifts_of_its_own() -> None:
    shifts = np.zeros((1, 2, 3, 1, 2), np.float32)
    shifts[0, 1, 0] = [[0.25, -1]]
    grid = shift_grid((2, 3), tf.constant(shifts))
    np.testing.assert_array_equal(grid[0, 1, :, 0], [[0.25, 0], [1, 1], [2, 1]])


def test_a_quarter_turn_takes_the_right_tap_down() -> None:
    turned = affine_taps(tf.constant([[0.0, -1], [1, 0]]), 3)
    np.testing.assert_array_equal(turned[5], [0, 1])  # (1, 0), the middle of the right


def test_the_identity_homography_moves_no_tap() -> None:
    for side in (1, 3, 5):
        np.testing.assert_array_equal(homography_taps(tf.eye(3), side), kernel_taps(side))


def by_least_squares(offsets: np.ndarray) -> np.ndarray:
    """Solve the eight equations of the corners for H11, H12, H21, H22, H31, H32, by NumPy in float64."""
    rows, right = [], []
    for (u, v), (x, y) in zip(CORNERS, CORNERS + offsets, strict=True):
        rows += [[u, v, 0, 0, -x * u, -x * v], [0, 0, u, v, -y * u, -y * v]]
        right += [x, y]
    a, b, c, d, g, h = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    return np.array([[a, b, 0], [c, d, 0], [g, h, 1]])


def test_corners_that_stay_give_the_identity() -> None:
    np.testing.assert_array_equal(homographies_of_corners(tf.zeros((4, 2))), np.eye(3))


def test_the_closed_form_is_the_least_squares_solution_of_the_eight_equations() -> None:
    offsets = 0.95 * np.tanh(np.random.default_rng(0).normal(0, 2, (50, 4, 2)))
    found = homographies_of_corners(tf.constant(offsets, tf.float32))
    expected = np.stack([by_least_squares(each) for each in offsets])
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_corners_that_a_centred_homography_moved_are_met() -> None:
    matrix = np.array([[1.1, 0.2, 0], [-0.1, 0.9, 0], [0.1, -0.05, 1]])
    moved = np.concatenate([CORNERS, np.ones((4, 1))], axis=1) @ matrix.T
    offsets = moved[:, :2] / moved[:, 2:] - CORNERS
    found = homographies_of_corners(tf.constant(offsets, tf.float32))
    np.testing.assert_allclose(found, matrix, atol=1e-5)
    np.testing.assert_allclose(homography_taps(found, 3).numpy()[[0, 2, 8, 6]], CORNERS + offsets, atol=1e-5)


def test_corners_at_the_ends_of_their_reach_give_finite_taps_or_none() -> None:
    ends = 0.95 * np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T.reshape(-1, 4, 2)
    matrices = homographies_of_corners(tf.constant(ends, tf.float32))
    assert np.isfinite(matrices).all()
    assert not np.isinf(homography_taps(matrices, 3)).any()
