"""The forward warp against a second implementation by loops, and scenes whose answer is plain."""

from __future__ import annotations

import math

import numpy as np
import pytest

from superpoint_tf.data.stereo.forward_warp import find_occluded, forward_warp


def by_loops(
    picture: np.ndarray, disparity: np.ndarray, segments: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return grey levels and disparities of the right picture, one surface point after the other."""
    height, columns = picture.shape
    grey, depth = np.zeros((height, width)), np.full((height, width), -np.inf)
    front = np.full((height, width), -np.inf)

    def see(y: int, x: int, level: float, d: float, rank: float) -> None:
        if 0 <= x < width and rank >= front[y, x]:
            grey[y, x], depth[y, x], front[y, x] = level, d, rank

    for y in range(height):
        for x in range(columns):
            d = float(disparity[y, x])
            see(y, math.floor(x - d + 0.5), float(picture[y, x]), d, d - 1e-3)
        for x in range(columns - 1):
            low, high = x - float(disparity[y, x]), x + 1 - float(disparity[y, x + 1])
            if segments[y, x] != segments[y, x + 1] or not low < high:
                continue
            for column in range(math.ceil(low), math.floor(high) + 1):
                share = (column - low) / (high - low)
                level = (1 - share) * float(picture[y, x]) + share * float(picture[y, x + 1])
                d = (1 - share) * float(disparity[y, x]) + share * float(disparity[y, x + 1])
                see(y, column, level, d, d)
    return grey, depth


def test_it_is_what_loops_over_all_surface_points_give() -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (6, 20), np.uint8)
    segments = np.repeat(generator.integers(0, 3, (6, 5)), 4, axis=1)
    slopes, offsets = generator.uniform(-0.5, 0.5, 3), generator.uniform(0, 5, 3)
    disparity = np.clip(offsets[segments] + slopes[segments] * np.arange(20), 0, 8).astype(np.float32)
    found = forward_warp(picture, disparity, segments, 16)
    grey, depth = by_loops(picture, disparity, segments, 16)
    np.testing.assert_allclose(found.disparity, depth, rtol=1e-5)
    np.testing.assert_allclose(found.picture, grey, atol=1e-3)


def test_a_plane_at_a_whole_disparity_is_a_shift() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (3, 12), np.uint8)
    found = forward_warp(picture, np.full((3, 12), 2.0, np.float32), np.zeros((3, 12), int), 10)
    assert (found.picture == picture[:, 2:]).all() and (found.disparity == 2).all()


def test_between_pixels_the_surface_is_linear() -> None:
    picture = np.array([[0, 10, 20, 30, 40]], np.uint8)
    found = forward_warp(picture, np.full((1, 5), 0.25, np.float32), np.zeros((1, 5), int), 4)
    np.testing.assert_allclose(found.picture[0], [2.5, 12.5, 22.5, 32.5])


def test_the_nearer_surface_is_in_front_and_what_it_leaves_behind_is_empty() -> None:
    picture = np.array([[1, 2, 3, 4, 5, 6, 7, 8]], np.uint8)
    segments = np.array([[0, 0, 0, 0, 1, 1, 0, 0]])
    disparity = np.where(segments == 1, 3.0, 0.0).astype(np.float32)
    found = forward_warp(picture, disparity, segments, 8)
    assert found.picture[0].tolist() == [1, 5, 6, 4, 0, 0, 7, 8]
    assert np.isneginf(found.disparity[0]).tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert find_occluded(disparity, found.disparity)[0].tolist() == [
        False,
        True,
        True,
        False,
        False,
        False,
        False,
        False,
    ]


def test_what_moves_out_of_the_frame_is_occluded() -> None:
    disparity = np.full((1, 5), 2.0, np.float32)
    right = forward_warp(np.ones((1, 5), np.uint8), disparity, np.zeros((1, 5), int), 5).disparity
    assert find_occluded(disparity, right)[0].tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("width", [1, 4])
def test_everything_beyond_the_frame_leaves_it_empty(width: int) -> None:
    found = forward_warp(np.ones((2, 4), np.uint8), np.full((2, 4), 9.0, np.float32), np.zeros((2, 4), int), width)
    assert not found.picture.any() and np.isneginf(found.disparity).all()
