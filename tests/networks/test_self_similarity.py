"""FCSS's layer and the shift of whole maps: in loops, beside `sample`, and their gradients by differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.sample import sample
from superpoint_tf.geometry.translation import translate
from superpoint_tf.networks.self_similarity import SelfSimilarity
from superpoint_tf.networks.superpoint import normalize_descriptors

SHAPE = (2, 5, 6, 3)


def features(seed: int = 0) -> tf.Tensor:
    return normalize_descriptors(tf.constant(np.random.default_rng(seed).normal(size=SHAPE), tf.float32))


def read(values: np.ndarray, x: float, y: float) -> np.ndarray:
    """Read a map (H, W, C) at one place, beyond the edge the edge."""
    height, width, _ = values.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    weights = [[max(0.0, 1 - abs(x - j)) * max(0.0, 1 - abs(y - i)) for j in range(width)] for i in range(height)]
    return np.einsum("ij,ijc->c", np.array(weights), values)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.6), (-2.75, 1.5), (40.2, -40.2), (5.0, 0.999)])
def test_a_map_moved_as_a_whole_is_read_as_sample_reads_it(shift):
    x, y = np.meshgrid(np.arange(SHAPE[2]), np.arange(SHAPE[1]))
    places = np.stack([x, y], axis=-1)[None].repeat(SHAPE[0], 0) + np.array(shift)
    moved = translate(features(), tf.constant(shift))
    np.testing.assert_allclose(moved, sample(features(), tf.constant(places, tf.float32)), atol=1e-5)


def test_the_responses_are_those_of_the_definition():
    layer = SelfSimilarity("level", 4, 2.0, seed=0)
    found = layer(features()).numpy()
    s_and_t = np.array(layer.shifts).T
    values = features().numpy().astype(np.float64)
    for b in range(SHAPE[0]):
        for i in range(SHAPE[1]):
            for j in range(SHAPE[2]):
                for k, (sx, sy, tx, ty) in enumerate(s_and_t):
                    gap = read(values[b], j + sx, i + sy) - read(values[b], j + tx, i + ty)
                    assert found[b, i, j, k] == pytest.approx(math.exp(-(gap @ gap) / 0.5), abs=1e-4)


def test_a_flat_map_is_like_itself_everywhere():
    layer = SelfSimilarity("level", 8, 9.0, seed=0)
    np.testing.assert_allclose(layer(tf.ones((1, 4, 4, 1))), 1.0)


def test_first_shifts_have_the_deviation_asked_for_and_are_a_function_of_the_seed():
    layers = [SelfSimilarity("level", 4096, 9.0, seed) for seed in (0, 0, 1)]
    for layer in layers:
        layer.build((1, 1, 1, 1))
    first, again, other = (np.array(layer.shifts) for layer in layers)
    assert first.std() == pytest.approx(9.0, rel=0.03) and abs(first.mean()) < 0.3
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_gradient_of_the_shifts_is_a_tenth_of_the_slope():
    layer = SelfSimilarity("level", 3, 1.5, seed=2)
    weights = tf.constant(np.random.default_rng(5).normal(size=(*SHAPE[:3], 3)), tf.float32)
    layer(features())
    start = np.array(layer.shifts)
    assert np.abs(start - np.round(start)).min() > 2e-3  # not where the slope jumps

    def loss() -> tf.Tensor:
        return tf.reduce_sum(weights * layer(features()))

    with tf.GradientTape() as tape:
        total = loss()
    variable = layer.shifts if callable(layer.shifts.value) else layer.shifts.value  # Keras 3 wraps it
    gradient = tape.gradient(total, variable).numpy()
    for index in [(0, 0), (1, 2), (2, 1), (3, 0)]:
        step = np.zeros_like(start)
        step[index] = 1e-3
        values = []
        for sign in (1, -1):
            layer.shifts.assign(start + sign * step)
            values.append(float(loss()))
        layer.shifts.assign(start)
        assert gradient[index] == pytest.approx(0.1 * (values[0] - values[1]) / 2e-3, abs=2e-2)


def test_features_have_their_gradients_too():
    values = features()
    layer = SelfSimilarity("level", 2, 1.0, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(layer(values))
    gradient = tape.gradient(total, values).numpy()
    step = np.zeros(SHAPE, np.float32)
    step[0, 2, 3, 1] = 1e-2
    slope = float(tf.reduce_sum(layer(values + step)) - tf.reduce_sum(layer(values - step))) / 2e-2
    assert gradient[0, 2, 3, 1] == pytest.approx(slope, abs=5e-3)
