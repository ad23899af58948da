"""Peaks of maps and how they are drawn: quadratic bumps are found where they are, edges and flat maps are not."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.detection.peak_maps import draw_peaks, join_peaks
from superpoint_tf.detection.peaks import Peaks, channel_peaks, map_peaks

SUBPIXEL = DetectionConfig(subpixel=True, border_px=0)


def bump(shape: tuple[int, int], x: float, y: float, bend_x: float = 0.1, bend_y: float = 0.1) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (3.0 - bend_x * (columns - x) ** 2 - bend_y * (rows - y) ** 2).astype(np.float32)


def test_a_quadratic_bump_is_one_peak_at_its_exact_place() -> None:
    peaks = map_peaks(tf.constant(bump((7, 9), 4.3, 2.8)[None]))
    assert np.argwhere(peaks.scores[0]).tolist() == [[3, 4]]
    np.testing.assert_allclose(peaks.offsets[0, 3, 4], [0.3, -0.2], atol=1e-4)


@pytest.mark.parametrize(("ratio", "found"), [(9.0, True), (11.0, False)])
def test_a_ridge_ten_times_as_sharp_across_as_along_is_an_edge(ratio: float, found: bool) -> None:
    scores = map_peaks(tf.constant(bump((7, 7), 3.0, 3.0, 0.02 * ratio, 0.02)[None])).scores
    assert bool(np.any(scores)) == found


def test_flat_maps_and_those_without_inner_pixels_have_no_peaks() -> None:
    for shape in ((5, 6), (1, 9), (2, 2), (9, 1)):
        assert not np.any(map_peaks(tf.ones((1, *shape))).scores)
        assert not np.any(channel_peaks(tf.ones((1, *shape, 3))).scores)


def test_hard_detection_takes_the_strongest_channel_alone() -> None:
    features = np.zeros((1, 7, 9, 2), np.float32)
    features[0, ..., 0] = bump((7, 9), 4.2, 3.0)
    features[0, ..., 1] = bump((7, 9), 6.0, 3.0) - 2.0  # a peak of a channel that is not the strongest there
    peaks = channel_peaks(tf.constant(features))
    assert np.argwhere(peaks.scores[0]).tolist() == [[3, 4]]
    np.testing.assert_allclose(peaks.offsets[0, 3, 4], [0.2, 0.0], atol=1e-4)
    np.testing.assert_allclose(peaks.scores[0, 3, 4], 1.0, atol=1e-5)


@pytest.mark.parametrize(("stride", "first_px"), [(1, 0.0), (4, 3.5), (4, 0.0), (8, 3.5)])
def test_a_drawn_peak_is_read_again_where_it_was(stride: int, first_px: float) -> None:
    scores, offsets = np.zeros((1, 5, 6), np.float32), np.zeros((1, 5, 6, 2), np.float32)
    scores[0, 2, 3], offsets[0, 2, 3] = 0.7, (0.49, -0.31)
    scores[0, 3, 1], offsets[0, 3, 1] = 0.2, (-0.1, 0.4)
    shape = (5 * stride + 3, 6 * stride + 1)
    heatmap = draw_peaks(Peaks(tf.constant(scores), tf.constant(offsets)), stride, first_px, shape).numpy()[0]
    assert heatmap.shape == shape
    settings = DetectionConfig(subpixel=True, border_px=0, nms_radius_px=1)
    keypoints, found = detect_keypoints(heatmap, settings, window_px=1)
    np.testing.assert_allclose(keypoints, np.array([[3.49, 1.69], [0.9, 3.4]]) * stride + first_px, atol=2e-3)
    np.testing.assert_allclose(found, [0.7, 0.2], rtol=1e-4)


def test_a_peak_of_a_smaller_picture_bans_those_of_larger_ones_about_it() -> None:
    small, large = np.zeros((1, 20, 20), np.float32), np.zeros((1, 40, 40), np.float32)
    small[0, 5, 6] = 0.5
    large[0, 12, 12], large[0, 30, 30] = 0.9, 0.8  # (6.5 * 2 - .5, ...) = (12.5, 10.5): the first is banned
    joined = join_peaks([tf.constant(small), tf.constant(large)]).numpy()[0]
    keypoints, scores = detect_keypoints(joined, SUBPIXEL, window_px=1)
    np.testing.assert_allclose(keypoints, [[12.5, 10.5], [30.0, 30.0]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.5, 0.4], rtol=1e-5)


def test_one_look_is_joined_to_itself_and_moved_looks_of_one_size_by_their_maximum() -> None:
    heatmap = tf.constant(np.random.default_rng(0).random((1, 8, 9), np.float32))
    assert join_peaks([heatmap]) is heatmap
    np.testing.assert_array_equal(join_peaks([heatmap, tf.zeros_like(heatmap)]), heatmap)
