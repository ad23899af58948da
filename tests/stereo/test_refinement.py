"""Sub-pixel disparities and filters: closed forms and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from superpoint_tf.stereo.coloured import colour_disparity
from superpoint_tf.stereo.refinement import bilateral_filter, median_filter, refine_subpixel


def test_a_parabola_is_found_exactly() -> None:
    for least in (1.6, 2.0, 2.4):
        volume = ((np.arange(5) - least) ** 2).reshape(5, 1, 1).astype(np.float32)
        assert refine_subpixel(np.array([[2.0]]), volume)[0, 0] == pytest.approx(least, abs=1e-6)


def test_ends_of_the_range_and_what_is_no_minimum_stay() -> None:
    volume = np.array([0.0, 1.0, 3.0, 2.0], np.float32).reshape(4, 1, 1)
    for disparity in (0.0, 1.0, 2.0, 3.0):
        assert refine_subpixel(np.array([[disparity]]), volume)[0, 0] == disparity
    flat = np.ones((3, 1, 1), np.float32)
    assert refine_subpixel(np.array([[1.0]]), flat)[0, 0] == 1
    assert refine_subpixel(np.array([[1.0]]), flat[:2])[0, 0] == 1


def test_the_median_is_that_of_five_by_five_with_edges_repeated() -> None:
    values = np.random.default_rng(0).random((7, 8)).astype(np.float32)
    padded = np.pad(values, 2, "edge")
    expected = [[np.median(padded[y : y + 5, x : x + 5]) for x in range(8)] for y in range(7)]
    np.testing.assert_array_equal(median_filter(values), np.array(expected, np.float32))


def test_the_bilateral_filter_weighs_by_distance_and_by_difference() -> None:
    values = np.random.default_rng(1).uniform(0, 4, (9, 9)).astype(np.float32)
    sigma, difference, reach = 1.0, 0.8, 2
    total = weights = 0.0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if math.hypot(dy, dx) <= reach:
                other = float(values[4 + dy, 4 + dx])
                near = math.exp(-(dy**2 + dx**2) / (2 * sigma**2))
                weight = near * math.exp(-((other - float(values[4, 4])) ** 2) / (2 * difference**2))
                total, weights = total + weight * other, weights + weight
    assert bilateral_filter(values, sigma, difference)[4, 4] == pytest.approx(total / weights, rel=1e-3)


def test_a_step_of_disparity_stays_sharp() -> None:
    step = np.where(np.arange(20) < 10, 0.0, 30.0).astype(np.float32)[np.newaxis].repeat(20, axis=0)
    np.testing.assert_allclose(bilateral_filter(step, 3.0, 1.0), step, atol=1e-3)


def test_unknown_disparities_are_black_and_the_near_differ_from_the_far() -> None:
    drawn = colour_disparity(np.array([[np.nan, 0.0, 8.0]]))
    assert not drawn[0, 0].any() and drawn[0, 2, 2] > drawn[0, 2, 0]  # red in front
    assert not colour_disparity(np.full((2, 2), np.nan)).any()
