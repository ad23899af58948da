"""Frames of patches and the points they are read at: where pixels lie, how frames turn, how homographies carry them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.grids import (
    carry_frames,
    frame_corners,
    frame_grid,
    frames_of,
    nearest_similarity,
    patch_points,
)
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.geometry.warp import warp_points

UPRIGHT = frames_of(tf.constant([[10.0, 20.0]]), 2.0)  # 4 x 4 pixels of the picture about (10, 20)
TILTED = np.array([[1.1, 0.2, 3.0], [-0.1, 0.9, -2.0], [2e-3, -1e-3, 1.0]])


def test_the_pixels_of_a_patch_fill_its_frame_and_are_read_at_their_centres() -> None:
    grid = frame_grid(UPRIGHT, 4)
    assert grid.shape == (1, 4, 4, 2)
    np.testing.assert_allclose(grid[0, 0, :, 0], [8.5, 9.5, 10.5, 11.5])
    np.testing.assert_allclose(grid[0, :, 0, 1], [18.5, 19.5, 20.5, 21.5])


def test_a_patch_of_one_pixel_is_read_at_the_centre_of_its_frame() -> None:
    np.testing.assert_allclose(frame_grid(UPRIGHT, 1)[0, 0, 0], [10, 20])


def test_the_grid_of_twice_the_side_has_four_samples_about_each_centre() -> None:
    fine = frame_grid(UPRIGHT, 8).numpy().reshape(1, 4, 2, 4, 2, 2)
    np.testing.assert_allclose(fine.mean(axis=(2, 4)), frame_grid(UPRIGHT, 4), atol=1e-6)


def test_corners_go_round_the_frame_from_the_top_left() -> None:
    np.testing.assert_allclose(frame_corners(UPRIGHT)[0], [[8, 18], [12, 18], [12, 22], [8, 22]])


def test_an_angle_turns_the_patchs_right_towards_the_pictures_down() -> None:
    quarter = frames_of(tf.constant([[0.0, 0.0]]), 3.0, math.pi / 2)
    np.testing.assert_allclose(quarter[0, :, 0], [0, 3], atol=1e-6)  # where (1, 0) goes
    np.testing.assert_allclose(quarter[0, :, 1], [-3, 0], atol=1e-6)


def test_every_point_may_have_a_size_and_an_angle_of_its_own() -> None:
    frames = frames_of(tf.zeros((2, 3, 2)), tf.constant([1.0, 2.0, 3.0]), tf.constant([[0.0], [math.pi]]))
    np.testing.assert_allclose(frames[..., 0, 0], [[1, 2, 3], [-1, -2, -3]], atol=1e-6)


def test_the_grid_of_any_frame_is_its_matrix_times_the_places_one_by_one() -> None:
    frames = np.random.default_rng(0).normal(size=(2, 3, 2, 3))
    grid = frame_grid(tf.constant(frames), 5).numpy()
    for index in np.ndindex(2, 3, 5, 5):
        row, column = index[2:]
        place = [(2 * column + 1) / 5 - 1, (2 * row + 1) / 5 - 1, 1.0]
        np.testing.assert_allclose(grid[index], frames[index[:2]] @ place, atol=1e-12)


def test_a_shift_and_a_zoom_carry_frames_along() -> None:
    moved = carry_frames(UPRIGHT[tf.newaxis], tf.constant([[[3.0, 0, 1], [0, 3, 2], [0, 0, 1]]]))
    np.testing.assert_allclose(moved[0, 0], [[6, 0, 31], [0, 6, 62]], atol=1e-5)


def test_a_carried_frame_has_the_derivative_of_the_homography_at_its_centre() -> None:
    frame = np.array([[4.0, -1.0, 30.0], [2.0, 5.0, 40.0]])
    carried = carry_frames(tf.constant(frame)[tf.newaxis, tf.newaxis], tf.constant(TILTED)[tf.newaxis])[0, 0].numpy()
    centre, step = frame[:, 2], 1e-4
    np.testing.assert_allclose(carried[:, 2], warp_points_numpy(centre[None], TILTED)[0], atol=1e-9)
    for arm in (0, 1):
        ahead, behind = (warp_points_numpy((centre + s * frame[:, arm])[None], TILTED)[0] for s in (step, -step))
        np.testing.assert_allclose(carried[:, arm], (ahead - behind) / (2 * step), atol=1e-6)


def test_a_homography_that_is_scaled_carries_frames_alike() -> None:
    frames = tf.constant(UPRIGHT)[tf.newaxis]
    one, other = (carry_frames(frames, tf.constant(scale * TILTED)[tf.newaxis]) for scale in (1.0, 0.3))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_frame_behind_the_camera_or_of_an_absent_point_is_nan() -> None:
    ghost = tf.constant([[[1.0, 0, 0], [0, 1, 0], [-1, 0, 5]]])  # w = 5 - x
    assert np.isnan(carry_frames(UPRIGHT[tf.newaxis], ghost)).all()
    assert np.isnan(frames_of(tf.fill((1, 2), math.nan), 2.0)[..., 2]).all()


def test_points_of_patches_are_those_of_the_grid_carried_to_the_picture():
    frames = frames_of(
        tf.constant([[[30.0, 20.0], [12.0, 40.0]]]), tf.constant([[6.0, 9.0]]), tf.constant([[0.3, 2.0]])
    )
    homography = tf.constant([[[0.9, 0.2, 4.0], [-0.1, 1.1, 3.0], [1e-3, -5e-4, 1.0]]], tf.float64)
    points, step_px, pixel_px = patch_points(frames, homography, 5)
    expected = warp_points(tf.reshape(frame_grid(frames, 5), (1, -1, 2)), homography)
    np.testing.assert_allclose(tf.reshape(points, (1, -1, 2)), expected, atol=1e-4)
    for index, (x, y) in enumerate(frames.numpy()[0, :, :, 2]):
        corners = np.array([[x, y], [x + 1e-3, y], [x, y + 1e-3]])
        mapped = warp_points(tf.constant(corners[np.newaxis]), homography).numpy()[0]
        side = np.sqrt(abs(np.linalg.det((mapped[1:] - mapped[0]) / 1e-3)))  # of a view's pixel, by differences
        assert float(pixel_px[0, index]) == pytest.approx(side, rel=1e-3)
        half_side = (6.0, 9.0)[index]
        assert float(step_px[0, index]) == pytest.approx(side * 2 * half_side / 5, rel=1e-3)


def test_the_nearest_similarity_keeps_centre_area_and_turn():
    turned = frames_of(tf.constant([4.0, 5.0]), 3.0, 0.7)
    np.testing.assert_allclose(nearest_similarity(turned), turned, atol=1e-5)
    stretched = tf.concat([turned[:, :2] * tf.constant([[2.0, 0.5]]), turned[:, 2:]], axis=1)
    np.testing.assert_allclose(nearest_similarity(stretched), turned, atol=1e-5)
    matrices = np.random.default_rng(0).normal(size=(20, 2, 3)).astype(np.float32)
    matrices = matrices[np.linalg.det(matrices[:, :, :2]) > 0.1]
    for matrix, similar in zip(matrices, nearest_similarity(matrices).numpy(), strict=True):
        side = np.sqrt(np.linalg.det(matrix[:, :2]))
        angles = np.linspace(-np.pi, np.pi, 20001)
        rotations = np.stack([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
        nearest = angles[((side * rotations - matrix[:, :2, None]) ** 2).sum((0, 1)).argmin()]
        assert np.hypot(*(similar[:, 0] - side * np.array([np.cos(nearest), np.sin(nearest)]))) < 1e-3


def test_a_frame_behind_the_camera_that_is_masked_leaves_the_gradient_finite() -> None:
    homography = tf.constant([[[1.0, 0, 0], [0, 1.0, 0], [-0.02, 0, 1.0]]], tf.float64)  # w < 0 right of x = 50
    points = tf.constant([[[10.0, 10.0], [80.0, 10.0]]])
    with tf.GradientTape() as tape:
        tape.watch(points)
        carried = carry_frames(frames_of(points, 4.0), homography)
        there = tf.constant([True, False])[:, tf.newaxis, tf.newaxis]
        total = tf.reduce_sum(tf.where(there, carried[0], 0.0))
    assert np.isnan(carried[0, 1]).all()
    assert np.isfinite(tape.gradient(total, points)).all()
