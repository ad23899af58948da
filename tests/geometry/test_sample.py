"""The one bilinear read: at pixels, between them, at and beyond the edges, and its gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.sample import sample

RAMP = tf.constant([[0.0, 1, 2], [10, 11, 12]])[tf.newaxis, ..., tf.newaxis]  # x + 10 y


def read(*points: tuple[float, float]) -> list[float]:
    values: list[float] = sample(RAMP, tf.constant([points]))[0, :, 0].numpy().tolist()
    return values


def test_pixels_are_read_as_they_are_the_last_row_and_column_too() -> None:
    pixels = [(x, y) for y in (0.0, 1.0) for x in (0.0, 1.0, 2.0)]
    assert read(*pixels) == [0, 1, 2, 10, 11, 12]


def test_between_pixels_it_is_linear() -> None:
    assert read((0.5, 0.0), (1.75, 1.0), (1.25, 0.5)) == [0.5, 11.75, 6.25]


def test_beyond_the_edge_the_edge_is_repeated() -> None:
    assert read((-5, 0.5), (2.5, 1.0), (9, 9), (1.5, -1)) == [5, 12, 12, 1.5]


def test_a_point_that_is_not_finite_gives_zeros() -> None:
    assert read((math.nan, 1), (1, math.nan), (math.inf, 0)) == [0, 0, 0]


def test_a_map_of_one_pixel_is_that_pixel_everywhere() -> None:
    one = tf.fill((1, 1, 1, 2), 3.0)
    np.testing.assert_array_equal(sample(one, [[(0.0, 0.0), (-1.0, 0.7)]]), np.full((1, 2, 2), 3.0))


def test_points_of_any_shape_read_the_picture_of_their_own_row() -> None:
    features = tf.concat([RAMP, -RAMP], axis=0)
    points = tf.tile(tf.constant([[[1.0, 1.0], [2.0, 0.0]]]), (2, 1, 1))[:, tf.newaxis]  # (2, 1, 2, 2)
    np.testing.assert_array_equal(sample(features, points), [[[[11], [2]]], [[[-11], [-2]]]])


def test_half_precision_maps_are_read_in_float32() -> None:
    values = sample(tf.cast(RAMP, tf.float16), [[(0.3, 0.0)]])
    assert values.dtype == tf.float32 and float(values[0, 0, 0]) == pytest.approx(0.3, abs=1e-6)


def test_gradients_reach_the_map_by_its_weights_and_the_point_by_the_slope() -> None:
    points = tf.constant([[(0.25, 0.5), (2.0, 1.0), (7.0, 0.5), (math.nan, 0.0)]])
    with tf.GradientTape() as tape:
        tape.watch([RAMP, points])
        total = tf.reduce_sum(sample(RAMP, points)[:, :1])
    weights, slope = tape.gradient(total, [RAMP, points])
    np.testing.assert_allclose(weights[0, ..., 0], [[0.375, 0.125, 0], [0.375, 0.125, 0]])
    np.testing.assert_allclose(slope[0], [[1, 10], [0, 0], [0, 0], [0, 0]])


def test_on_the_last_pixel_the_slope_is_that_before_it_and_beyond_the_edge_none() -> None:
    points = tf.constant([[(2.0, 1.0), (7.0, 0.5), (math.nan, 0.0)]])
    with tf.GradientTape() as tape:
        tape.watch(points)
        total = tf.reduce_sum(sample(RAMP, points))
    np.testing.assert_allclose(tape.gradient(total, points)[0], [[1, 10], [0, 10], [0, 0]])


def _by_loops(features: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Sum all pixels by their triangular weights at the point, brought into the frame; float64."""
    height, width, channels = features.shape
    x, y = (min(max(value, 0.0), side - 1.0) for value, side in zip(point, (width, height), strict=True))
    value = np.zeros(channels)
    for row in range(height):
        for column in range(width):
            value += max(0.0, 1 - abs(x - column)) * max(0.0, 1 - abs(y - row)) * features[row, column]
    return value


def test_random_points_equal_the_sum_over_all_pixels_eagerly_and_in_a_dataset() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 4, 5, 3))
    points = rng.uniform(-2, 6, (2, 7, 2))
    expected = [[_by_loops(features[b], points[b, n]) for n in range(7)] for b in range(2)]
    np.testing.assert_allclose(sample(features, points), expected, atol=1e-5)
    dataset = tf.data.Dataset.from_tensors((features, points)).map(sample)
    np.testing.assert_allclose(next(iter(dataset)), expected, atol=1e-5)


def test_a_compiled_read_is_the_same() -> None:
    points = tf.constant([[(0.25, 0.5), (2.0, 1.0), (math.nan, 0.0)]])
    np.testing.assert_allclose(tf.function(sample, jit_compile=True)(RAMP, points), sample(RAMP, points))
