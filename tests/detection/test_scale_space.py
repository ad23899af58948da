"""LF-Net's soft suppression in space and scale, and LIFT's choice of sizes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.detection.scale_space import lift_maps, scale_space, soft_suppression
from superpoint_tf.networks.lfnet_detector import SCALES
from superpoint_tf.networks.lift_detector import FACTORS


def suppressed(scores: np.ndarray) -> np.ndarray:
    """Compute exp(3 s) by its sum over 15 x 15 pixels and all scales, by loops; scores (H, W, S)."""
    height, width, _ = scores.shape
    result = np.zeros(scores.shape)
    for y in range(height):
        for x in range(width):
            window = scores[max(y - 7, 0) : y + 8, max(x - 7, 0) : x + 8]
            result[y, x] = np.exp(3.0 * scores[y, x]) / np.exp(3.0 * window).sum()
    return result


def test_it_is_the_softmax_over_the_window_and_all_scales() -> None:
    scores = np.random.default_rng(0).normal(size=(1, 18, 20, 5))
    assert np.allclose(soft_suppression(scores)[0], suppressed(scores[0]), rtol=1e-4, atol=1e-7)


def test_a_constant_map_gives_every_inner_pixel_its_share_and_those_of_the_edge_more() -> None:
    found = soft_suppression(tf.ones((1, 31, 31, 5))).numpy()[0, ..., 0]
    assert found[15, 15] == pytest.approx(1 / (225 * 5), rel=1e-4)
    assert found[0, 0] == pytest.approx(1 / (64 * 5), rel=1e-4)


def test_heatmap_and_scale_are_those_of_the_strongest_scale() -> None:
    scores = np.zeros((1, 20, 20, 5), np.float32)
    scores[0, 9, 9, 3] = 5.0
    found = scale_space(scores)
    assert np.exp(found.log_scales[0, 9, 9]) == pytest.approx(SCALES[3], rel=1e-3)
    assert np.unravel_index(np.argmax(found.heatmap[0]), (20, 20)) == (9, 9)


def test_the_scale_of_a_constant_map_is_one() -> None:
    assert np.allclose(scale_space(tf.ones((1, 9, 9, 5))).log_scales, 0.0, atol=1e-6)


def test_the_soft_maximum_over_scales_is_the_weighted_mean_by_exponentials() -> None:
    scores = np.random.default_rng(1).normal(size=(1, 6, 6, 5))
    shares = suppressed(scores[0])
    weights = np.exp(100 * shares) / np.exp(100 * shares).sum(-1, keepdims=True)
    found = scale_space(scores)
    assert np.allclose(found.heatmap[0], (weights * shares).sum(-1), rtol=1e-3, atol=1e-6)
    assert np.allclose(found.log_scales[0], (weights * np.log(SCALES)).sum(-1), atol=1e-4)


def test_far_scores_do_not_overflow() -> None:
    scores = np.zeros((1, 20, 20, 5), np.float32)
    scores[0, 3, 3, 0], scores[0, 15, 15, 4] = 60.0, -60.0
    assert np.isfinite(scale_space(scores).heatmap).all()


def test_lifts_size_is_that_of_the_best_scale_and_what_no_filter_saw_is_no_keypoint() -> None:
    scores = np.full((1, 2, 2, 5), -1e4, np.float32)
    scores[0, 0, 1, 2] = 1.0
    heatmap, sizes = lift_maps({"scores": tf.constant(scores)})
    assert float(heatmap[0, 0, 1]) == pytest.approx(1 / (1 + np.exp(-1))) and float(heatmap[0, 1, 1]) == 0.0
    assert float(sizes[0, 0, 1]) == pytest.approx(4.0 / FACTORS[2])
