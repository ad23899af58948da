"""Soft detection scores: their closed forms on constant maps, and loops written from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.detection.soft_scores import CONSTANT_PEAKINESS, d2_scores, enlarge, peakiness, peakiness_scores


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def d2_by_loops(features: np.ndarray) -> np.ndarray:
    height, width, channels = features.shape
    x = np.maximum(features.astype(float), 0)
    x /= x.max()
    scores = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            rows, columns = slice(max(i - 1, 0), i + 2), slice(max(j - 1, 0), j + 2)
            for k in range(channels):
                local = np.exp(x[rows, columns, k])
                alpha = np.exp(x[i, j, k]) / (9 * local.mean())
                scores[i, j] = max(scores[i, j], alpha * x[i, j, k] / max(x[i, j].max(), 1e-12))
    return scores / scores.sum()


def test_d2_scores_are_those_of_the_definition() -> None:
    features = noise(2, 5, 6, 3)
    found = d2_scores(tf.constant(features))
    for place in (0, 1):
        np.testing.assert_allclose(found[place], d2_by_loops(features[place]), rtol=1e-4)


def test_a_constant_map_has_the_same_d2_score_at_its_frame() -> None:
    """1 / 9 of everything before the sum is made 1; the authors' padding gives .141 at edges, .171 in corners."""
    found = d2_scores(tf.ones((1, 4, 5, 3)))
    np.testing.assert_allclose(found, 1 / 20, rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, -3.0, 1e6])
def test_flat_maps_give_finite_d2_scores_and_gradients(value: float) -> None:
    features = tf.Variable(value * tf.ones((1, 3, 4, 2)))
    with tf.GradientTape() as tape:
        scores = d2_scores(features)
    assert np.isfinite(scores).all() and np.isfinite(tape.gradient(scores, features)).all()


@pytest.mark.parametrize("step", [1, 2, 3])
def test_peakiness_of_a_constant_map_is_the_square_of_ln_2_everywhere(step: int) -> None:
    np.testing.assert_allclose(peakiness(tf.fill((1, 5, 6, 3), 7.0), step), 0.480453, atol=1e-6)
    assert pytest.approx(0.480453, abs=1e-6) == CONSTANT_PEAKINESS


@pytest.mark.parametrize("step", [1, 2, 3])
def test_peakiness_is_that_of_the_definition(step: int) -> None:
    features = noise(6, 7, 4, seed=step)
    padded = np.pad(features.astype(float), ((step, step), (step, step), (0, 0)), "reflect")
    expected = np.zeros((6, 7))
    for i in range(6):
        for j in range(7):
            taps = [padded[i + a * step, j + b * step] for a in range(3) for b in range(3)]
            peak = np.log1p(np.exp(features[i, j] - np.mean(taps, axis=0)))
            ratio = np.log1p(np.exp(features[i, j] - features[i, j].mean()))
            expected[i, j] = (peak * ratio).max()
    np.testing.assert_allclose(peakiness(tf.constant(features[None]), step)[0], expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3)])
def test_peakiness_of_maps_smaller_than_its_step_is_finite(shape: tuple[int, int]) -> None:
    assert np.isfinite(peakiness(tf.constant(noise(1, *shape, 3)), 3)).all()


def test_levels_are_weighed_one_two_three_and_constant_ones_give_the_constant() -> None:
    outputs = {
        "level_0": tf.ones((1, 8, 12, 2)),
        "level_1": tf.ones((1, 4, 6, 2)),
        "level_2": tf.constant(noise(1, 2, 3, 2)),
    }
    found = peakiness_scores(outputs)
    assert found.shape == (1, 8, 12)
    deepest = enlarge(peakiness(outputs["level_2"]), 4)
    np.testing.assert_allclose(found, (3 * CONSTANT_PEAKINESS + 3 * deepest) / 6, rtol=1e-5)


def test_enlarged_maps_are_linear_between_their_pixels_which_stay() -> None:
    scores = noise(2, 3, 4)
    found = enlarge(tf.constant(scores), 4).numpy()
    assert found.shape == (2, 12, 16)
    np.testing.assert_array_equal(found[:, ::4, ::4], scores)
    np.testing.assert_allclose(found[:, 0, 1], 0.75 * scores[:, 0, 0] + 0.25 * scores[:, 0, 1], rtol=1e-5)
    np.testing.assert_array_equal(found[:, 8:, 12:], np.broadcast_to(scores[:, 2:, 3:], (2, 4, 4)))
