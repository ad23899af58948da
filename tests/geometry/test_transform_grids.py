"""The grids of the spatial transformer: what the identity is, where corners go, splines against their definition."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.sample import sample
from superpoint_tf.geometry.transform_grids import (
    affine_grid,
    attention_grid,
    homography_grid,
    spline_grid,
    spline_points,
    square_grid,
    square_to_pixels,
)

SQUARE = spline_points().astype(np.float32)


def test_the_corners_of_the_square_are_the_centres_of_the_outer_pixels() -> None:
    grid = square_grid((3, 5))
    np.testing.assert_allclose(grid[0, 0], [-1, -1])
    np.testing.assert_allclose(grid[2, 4], [1, 1])
    np.testing.assert_allclose(square_to_pixels(grid, (3, 5))[2, 4], [4, 2])


def test_a_side_of_one_pixel_is_read_at_its_middle() -> None:
    np.testing.assert_allclose(square_grid((1, 3))[0], [[-1, 0], [0, 0], [1, 0]])
    np.testing.assert_allclose(square_to_pixels(square_grid((1, 1)), (1, 1))[0, 0], [0, 0])


@pytest.mark.parametrize("shape", [(3, 5), (1, 4), (1, 1)])
def test_identities_leave_the_square_as_it_is(shape: tuple[int, int]) -> None:
    square = square_grid(shape)[tf.newaxis]
    np.testing.assert_array_equal(affine_grid(tf.eye(2, 3)[tf.newaxis], shape), square)
    np.testing.assert_array_equal(attention_grid(tf.constant([[1.0, 0, 0]]), shape), square)
    np.testing.assert_array_equal(homography_grid(tf.eye(3)[tf.newaxis], shape), square)
    np.testing.assert_array_equal(spline_grid(SQUARE[np.newaxis], shape), square)


def test_attention_is_a_scale_and_a_shift() -> None:
    grid = attention_grid(tf.constant([[0.5, 0.25, -0.5]]), (2, 2))
    np.testing.assert_allclose(grid[0], [[[-0.25, -1.0], [0.75, -1.0]], [[-0.25, 0.0], [0.75, 0.0]]])


def test_an_affine_matrix_takes_output_to_input() -> None:
    grid = affine_grid(tf.constant([[[0.0, -1, 0.1], [1, 0, 0.2]]]), (2, 2))
    np.testing.assert_allclose(grid[0, 0, 1], [1.1, 1.2])  # (1, -1) goes to (1 + .1, 1 + .2)


def test_a_homography_divides_and_what_is_behind_the_camera_is_nowhere() -> None:
    grid = homography_grid(tf.constant([[[1.0, 0, 0], [0, 1, 0], [1, 0, 1]]]), (2, 3))[0]
    assert np.isnan(grid[:, 0]).all()  # w = 0 at u = -1
    np.testing.assert_allclose(grid[1, 1], [0, 1])
    np.testing.assert_allclose(grid[1, 2], [0.5, 0.5])


def test_a_spline_takes_its_control_points_where_they_are_sent() -> None:
    sent = SQUARE + np.random.default_rng(0).normal(0, 0.2, SQUARE.shape).astype(np.float32)
    grid = spline_grid(sent[np.newaxis], (4, 4))
    np.testing.assert_allclose(tf.reshape(grid, (16, 2)), sent, atol=2e-5)


def test_a_spline_whose_control_points_move_affinely_is_that_affine_map() -> None:
    matrix = np.array([[0.8, -0.3, 0.1], [0.2, 0.7, -0.2]], np.float32)
    sent = SQUARE @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(spline_grid(sent, (5, 7)), affine_grid(tf.constant(matrix), (5, 7)), atol=2e-5)


def spline_by_definition(sent: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Solve for the interpolating spline a0 + a1 u + a2 v + sum w U(|p - p_i|) of each coordinate, float64."""
    points = SQUARE.astype(np.float64)

    def radial(a: np.ndarray, b: np.ndarray) -> float:
        r = float(np.hypot(*(a - b)))
        return 0.0 if r == 0 else r**2 * np.log(r**2)

    count = len(points)
    system = np.zeros((count + 3, count + 3))
    for i in range(count):
        for j in range(count):
            system[i, j] = radial(points[i], points[j])
        system[i, count:] = system[count:, i] = (1.0, *points[i])
    solution = np.linalg.solve(system, np.concatenate([sent, np.zeros((3, 2))]))
    basis = [radial(place, point) for point in points] + [1.0, *place]
    return np.asarray(basis @ solution)


def test_a_spline_is_bookstein_s_between_the_control_points() -> None:
    sent = SQUARE + np.random.default_rng(1).normal(0, 0.3, SQUARE.shape)
    grid = spline_grid(sent.astype(np.float32), (3, 6)).numpy()
    square = square_grid((3, 6)).numpy().astype(np.float64)
    for row in range(3):
        for column in range(6):
            expected = spline_by_definition(sent, square[row, column])
            np.testing.assert_allclose(grid[row, column], expected, atol=3e-5)


@pytest.mark.parametrize("outside", ["edge", "zeros"])
def test_identity_reads_the_last_row_and_column(outside: str) -> None:
    picture = tf.random.stateless_normal((2, 4, 6, 3), (1, 2))
    grid = square_to_pixels(affine_grid(tf.eye(2, 3, batch_shape=(2,)), (4, 6)), (4, 6))
    np.testing.assert_allclose(sample(picture, grid, outside), picture, atol=1e-6)


def test_zeros_outside_is_the_sum_over_the_pixels_of_the_map() -> None:
    """Equation 5 of Jaderberg et al. 2015: V = sum of U max(0, 1 - |x - m|) max(0, 1 - |y - n|)."""
    rng = np.random.default_rng(2)
    picture, points = rng.normal(size=(1, 3, 4, 2)), rng.uniform(-2, 5, (1, 40, 2))
    expected = np.zeros((40, 2))
    for number, (x, y) in enumerate(points[0]):
        for n in range(3):
            for m in range(4):
                expected[number] += picture[0, n, m] * max(0, 1 - abs(x - m)) * max(0, 1 - abs(y - n))
    np.testing.assert_allclose(sample(picture, points, "zeros")[0], expected, atol=1e-5)


def test_gradients_of_a_read_are_the_numerical_ones_between_pixels_and_over_the_rim() -> None:
    picture = tf.random.stateless_normal((1, 3, 4, 2), (3, 4))
    points = tf.constant([[(0.4, 1.3), (-0.6, 0.5), (2.7, 1.8), (3.5, 2.4), (1.2, -0.3)]])

    def read(picture: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
        return sample(picture, points, "zeros")

    exact, numerical = tf.test.compute_gradient(read, (picture, points), delta=1e-2)
    for mine, theirs in zip(exact, numerical, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3)
