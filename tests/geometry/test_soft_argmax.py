"""The soft-argmax, against one written from its definition."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.soft_argmax import soft_argmax, soft_argmax_about


def mean_place(values: np.ndarray, strength: float, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Return the mean of the pixels xy of a part of a map, by loops."""
    total, moments = 0.0, np.zeros(2)
    for y in range(max(top, 0), min(bottom, values.shape[0] - 1) + 1):
        for x in range(max(left, 0), min(right, values.shape[1] - 1) + 1):
            weight = np.exp(strength * float(values[y, x]))
            total += weight
            moments += weight * np.array([x, y])
    return moments / total


def test_it_is_the_mean_place_by_exponentials() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 5, 7))
    found = soft_argmax(maps, 3.0).numpy()
    assert np.allclose(found, [mean_place(each, 3.0, 0, 0, 6, 4) for each in maps], atol=1e-5)


def test_of_a_constant_map_it_is_the_middle() -> None:
    assert np.allclose(soft_argmax(tf.ones((1, 5, 9)), 10.0), [[4.0, 2.0]])


def test_windows_see_their_own_pixels_and_nothing_beyond_the_edge() -> None:
    maps = np.random.default_rng(1).normal(size=(1, 8, 9))
    pixels = np.array([[[4, 4], [0, 0], [8, 7]]], np.int32)
    found = soft_argmax_about(maps, pixels, 2, 1.5).numpy()[0]
    expected = [mean_place(maps[0], 1.5, x - 2, y - 2, x + 2, y + 2) for x, y in pixels[0]]
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("place", [(4, 4), (0, 7)])
def test_its_gradient_is_the_numerical_one(place: tuple[int, int]) -> None:
    maps, step = np.random.default_rng(2).normal(size=(1, 8, 9)).astype(np.float32), 1e-2
    pixels = tf.constant([[place]], tf.int32)
    with tf.GradientTape() as tape:
        given = tf.constant(maps)
        tape.watch(given)
        x = soft_argmax_about(given, pixels, 2, 1.0)[0, 0, 0]
    slope = tape.gradient(x, given).numpy()[0]
    for row, column in ((4, 5), (6, 1), (0, 0)):
        moved = [maps.copy(), maps.copy()]
        moved[0][0, row, column] -= step
        moved[1][0, row, column] += step
        low, high = (float(soft_argmax_about(each, pixels, 2, 1.0)[0, 0, 0]) for each in moved)
        assert slope[row, column] == pytest.approx((high - low) / (2 * step), abs=2e-3)
