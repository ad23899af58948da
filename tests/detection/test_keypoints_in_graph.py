"""Suppression in the graph, against the definition in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf import SuperPoint
from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.detection.keypoints_in_graph import detect_in_graph
from superpoint_tf.detection.suppression_in_graph import suppress_heatmap
from superpoint_tf.export.calibration import open_photographs


def assert_equals_the_definition(heatmap: np.ndarray, config: DetectionConfig) -> int:
    keypoints, scores, number = (found.numpy()[0] for found in detect_in_graph(tf.constant(heatmap[None]), config))
    expected = detect_keypoints(heatmap, config)
    np.testing.assert_array_equal(keypoints[:number], expected[0])
    np.testing.assert_array_equal(scores[:number], expected[1])
    assert len(keypoints) == config.max_keypoints
    assert (keypoints[number:] == -1).all() and (scores[number:] == 0).all()
    return int(number)


@pytest.mark.parametrize("seed", range(12))
def test_random_heatmaps_with_ties_give_the_keypoints_of_the_definition(seed: int):
    generator = np.random.default_rng(seed)
    shape, levels = generator.integers(1, 50, 2), [3, 10, 10**6][seed % 3]
    heatmap = (generator.integers(0, levels, shape) / levels).astype(np.float32)
    heatmap *= generator.random(shape) < [0.1, 1.0][seed % 2]
    config = DetectionConfig(threshold=0.1 * (seed % 4), nms_radius_px=seed % 5, border_px=seed % 3, max_keypoints=60)
    assert_equals_the_definition(heatmap, config)


def test_what_the_border_drops_suppresses_but_takes_no_place_of_the_budget():
    heatmap = np.zeros((20, 30), np.float32)
    heatmap[10, [3, 6, 8, 20]] = 0.9, 0.8, 0.7, 0.6  # outside, within its radius, beyond it, far
    assert assert_equals_the_definition(heatmap, DetectionConfig(max_keypoints=2)) == 2
    assert detect_in_graph(tf.constant(heatmap[None]), DetectionConfig(max_keypoints=2))[0].numpy()[0].tolist() == [
        [8, 10],
        [20, 10],
    ]


def test_a_suppressed_pixel_suppresses_nothing():
    scores = np.zeros((1, 1, 9), np.float32)
    scores[0, 0, [0, 3, 6]] = 0.9, 0.8, 0.7
    kept = suppress_heatmap(tf.constant(scores), 4).numpy()[0, 0]
    assert np.flatnonzero(kept).tolist() == [0, 6]


def test_of_equal_scores_the_upper_then_the_left_pixel_stays_even_where_a_higher_one_interferes():
    scores = np.zeros((1, 1, 7), np.float32)
    scores[0, 0, [1, 3, 5]] = 0.9, 0.5, 0.5  # the first removes the second, so the third is free
    assert np.flatnonzero(suppress_heatmap(tf.constant(scores), 2).numpy()).tolist() == [1, 5]
    plateau = np.full((1, 3, 4), 0.5, np.float32)
    assert np.argwhere(suppress_heatmap(tf.constant(plateau), 2).numpy()[0]).tolist() == [[0, 0], [0, 3]]


def test_a_ramp_whose_pixels_wait_for_each_other_is_walked_to_its_end():
    ramp = np.arange(1, 101, dtype=np.float32)[None] / 100
    config = DetectionConfig(0.0, nms_radius_px=1, border_px=0, max_keypoints=100)
    assert assert_equals_the_definition(ramp, config) == 50


def test_pictures_of_a_batch_do_not_meet():
    generator = np.random.default_rng(0)
    heatmaps = generator.random((3, 20, 30)).astype(np.float32)
    config = DetectionConfig(0.5, max_keypoints=40)
    together = detect_in_graph(tf.constant(heatmaps), config)
    for number, heatmap in enumerate(heatmaps):
        alone = detect_in_graph(tf.constant(heatmap[None]), config)
        for one, of_batch in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], of_batch[number])


def test_keypoints_between_pixels_are_refused():
    with pytest.raises(ValueError, match=r"whole pixels; leave detection\.subpixel off"):
        detect_in_graph(tf.zeros((1, 8, 8)), DetectionConfig(subpixel=True))
    for looks in (DetectionConfig(scales=(1.0, 1.5)), DetectionConfig(phases=2)):
        with pytest.raises(ValueError, match="sees a picture once"):
            detect_in_graph(tf.zeros((1, 8, 8)), looks)


def test_values_that_are_not_numbers_are_no_keypoints():
    heatmap = np.zeros((20, 20), np.float32)
    heatmap[10, 10], heatmap[10, 12] = np.nan, 0.5
    assert assert_equals_the_definition(heatmap, DetectionConfig(max_keypoints=5)) == 1


@pytest.mark.slow
def test_photographs_give_the_keypoints_of_the_definition():
    model = SuperPoint.from_pretrained("superpoint-small")
    found = [
        assert_equals_the_definition(model.heatmap(frame), DetectionConfig())
        for frame in open_photographs("bundled").frames(None)
    ]
    assert len(found) == 17 and min(found) > 10
