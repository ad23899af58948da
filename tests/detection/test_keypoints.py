"""Keypoints from heatmaps, against an obvious quadratic suppression and by eye."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.detection.suppression import suppress_keypoints


def slow_suppression(keypoints: np.ndarray, scores: np.ndarray, radius: int) -> list[int]:
    pixels = [(int(np.floor(y + 0.5)), int(np.floor(x + 0.5))) for x, y in keypoints.astype(np.float64)]
    order = sorted(range(len(pixels)), key=lambda i: (-scores[i], *pixels[i], i))
    kept: list[int] = []
    for i in order:
        distances = (max(abs(pixels[i][0] - pixels[k][0]), abs(pixels[i][1] - pixels[k][1])) for k in kept)
        if all(distance > radius for distance in distances):
            kept.append(i)
    return kept


def heatmap_of(shape: tuple[int, int], **points: tuple[int, int, float]) -> np.ndarray:
    heatmap = np.zeros(shape, np.float32)
    for x, y, score in points.values():
        heatmap[y, x] = score
    return heatmap


@pytest.mark.parametrize(("seed", "radius"), [*itertools.product(range(4), (0, 1, 4))])
def test_suppression_equals_the_quadratic_version_on_random_keypoints_with_ties(seed: int, radius: int) -> None:
    generator = np.random.default_rng(seed)
    keypoints = generator.uniform(-5, 35, (300, 2)).astype(np.float32)
    keypoints[:100] = np.round(keypoints[:100] * 2) / 2  # halves: the rounding matters, and pixels repeat
    scores = generator.integers(1, 6, 300).astype(np.float32)
    assert suppress_keypoints(keypoints, scores, radius).tolist() == slow_suppression(keypoints, scores, radius)


def test_a_suppressed_keypoint_suppresses_nothing() -> None:
    keypoints = np.array([[0, 0], [3, 0], [6, 0]])
    assert suppress_keypoints(keypoints, np.array([0.9, 0.8, 0.7]), 4).tolist() == [0, 2]


def test_suppression_reaches_exactly_its_radius_in_both_directions_at_once() -> None:
    keypoints = np.array([[10, 10], [14, 14], [15, 10], [10, 15]])
    assert suppress_keypoints(keypoints, np.array([4.0, 3.0, 2.0, 1.0]), 4).tolist() == [0, 2, 3]


def test_distances_are_taken_between_rounded_coordinates() -> None:
    keypoints = np.array([[0.4, 0.0], [4.6, 0.0], [0.4, 9.0], [4.4, 9.0]])  # 4.2 rounds to 5, 4.0 to 4
    assert suppress_keypoints(keypoints, np.array([4.0, 3.0, 2.0, 1.0]), 4).tolist() == [0, 1, 2]


def test_equal_scores_go_by_row_then_column() -> None:
    keypoints = np.array([[5, 9], [9, 2], [1, 2]])
    assert suppress_keypoints(keypoints, np.ones(3), 0).tolist() == [2, 1, 0]


def test_keypoints_that_are_nan_are_never_kept_and_suppress_nothing() -> None:
    keypoints = np.array([[np.nan, 1], [1, 1], [2, 1], [1, np.inf]])
    assert suppress_keypoints(keypoints, np.array([9.0, np.nan, 1.0, 5.0]), 4).tolist() == [2]


def test_no_keypoints_give_no_indices() -> None:
    assert suppress_keypoints(np.zeros((0, 2)), np.zeros(0), 4).shape == (0,)
    assert suppress_keypoints(np.full((2, 2), np.nan), np.ones(2), 4).shape == (0,)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int8, np.float16])
def test_scores_of_any_kind_are_sorted_by_value_although_the_negative_of_an_unsigned_one_wraps(kind: type) -> None:
    keypoints = np.array([[0, 0], [20, 0], [40, 0]])
    assert suppress_keypoints(keypoints, np.array([0, 100, 3], kind), 4).tolist() == [1, 2, 0]


def test_a_limit_of_zero_keeps_nothing_and_none_keeps_all() -> None:
    keypoints, scores = np.array([[0, 0], [20, 0]]), np.ones(2)
    assert [len(suppress_keypoints(keypoints, scores, 4, limit)) for limit in (0, 1, 2, 3, None)] == [0, 1, 2, 2, 2]
    with pytest.raises(ValueError, match=r"max_keypoints: -1.*None for no limit"):
        suppress_keypoints(keypoints, scores, 4, -1)


def test_a_missing_score_is_named() -> None:
    with pytest.raises(ValueError, match="2 keypoints but 1 scores"):
        suppress_keypoints(np.zeros((2, 2)), np.zeros(1), 4)


def test_keypoints_are_xy_and_strongest_first() -> None:
    heatmap = heatmap_of((20, 30), a=(12, 5, 0.3), b=(22, 14, 0.6))
    keypoints, scores = detect_keypoints(heatmap, DetectionConfig())
    assert keypoints.tolist() == [[22, 14], [12, 5]]
    assert scores.tolist() == pytest.approx([0.6, 0.3])
    assert keypoints.dtype == scores.dtype == np.float32


def test_the_border_drops_what_is_nearer_than_it_to_the_frame() -> None:
    heatmap = heatmap_of((20, 30), a=(3, 10, 0.9), b=(4, 10, 0.3), c=(25, 10, 0.4), d=(26, 15, 0.9), e=(15, 16, 0.9))
    keypoints, _ = detect_keypoints(heatmap, DetectionConfig(nms_radius_px=0))
    assert keypoints.tolist() == [[25, 10], [4, 10]]


def test_what_the_border_drops_suppresses_what_lies_inside_so_that_no_shoulder_becomes_a_keypoint() -> None:
    heatmap = heatmap_of((20, 30), peak=(3, 10, 0.9), shoulder=(4, 10, 0.5), near=(7, 10, 0.3), far=(8, 10, 0.2))
    assert detect_keypoints(heatmap, DetectionConfig())[0].tolist() == [[8, 10]]


def test_what_the_border_drops_takes_no_place_of_the_budget() -> None:
    heatmap = heatmap_of((20, 30), outside=(3, 10, 0.9), first=(10, 10, 0.5), second=(20, 10, 0.3))
    assert detect_keypoints(heatmap, DetectionConfig(max_keypoints=1))[0].tolist() == [[10, 10]]


def test_what_the_threshold_drops_suppresses_nothing() -> None:
    heatmap = heatmap_of((20, 30), below=(10, 10, 0.1), nan=(11, 10, np.nan), at=(12, 10, 0.2))
    assert detect_keypoints(heatmap, DetectionConfig(threshold=0.15))[0].tolist() == [[12, 10]]


def test_a_keypoint_at_the_threshold_stays_and_one_of_zero_never_does() -> None:
    heatmap = heatmap_of((20, 20), at=(5, 5, 0.25), below=(14, 14, 0.2499))
    assert len(detect_keypoints(heatmap, DetectionConfig(threshold=0.25))[0]) == 1
    assert len(detect_keypoints(heatmap, DetectionConfig(threshold=0.0))[0]) == 2


def test_top_k_counts_after_suppression() -> None:
    heatmap = heatmap_of((20, 40), a=(10, 10, 0.9), near_a=(11, 10, 0.8), b=(20, 10, 0.7), c=(30, 10, 0.6))
    keypoints, _ = detect_keypoints(heatmap, DetectionConfig(max_keypoints=2))
    assert keypoints.tolist() == [[10, 10], [20, 10]]


@pytest.mark.parametrize("shape", [(3, 3), (8, 40), (8, 8), (1, 1)])
def test_a_frame_smaller_than_its_borders_has_no_keypoints(shape: tuple[int, int]) -> None:
    keypoints, scores = detect_keypoints(np.ones(shape, np.float32), DetectionConfig(border_px=4, subpixel=True))
    assert keypoints.shape == (0, 2) and scores.shape == (0,)


def test_nan_in_a_heatmap_is_no_keypoint() -> None:
    heatmap = heatmap_of((20, 20), hole=(8, 8, np.nan), peak=(10, 8, 0.5))
    assert detect_keypoints(heatmap, DetectionConfig(subpixel=True))[0].tolist() == [[10, 8]]


def test_a_batch_of_heatmaps_is_refused_with_its_shape() -> None:
    with pytest.raises(ValueError, match=r"\(1, 8, 8\)"):
        detect_keypoints(np.zeros((1, 8, 8), np.float32), DetectionConfig())


def test_a_constant_heatmap_keeps_a_grid_from_the_top_left() -> None:
    constant = np.ones((5, 7), np.float32)
    keypoints, _ = detect_keypoints(constant, DetectionConfig(border_px=0, nms_radius_px=1))
    assert keypoints.tolist() == [[x, y] for y in (0, 2, 4) for x in (0, 2, 4, 6)]


def test_keypoints_lie_between_pixels_if_the_config_says_so() -> None:
    heatmap = heatmap_of((20, 20), peak=(10, 8, 0.6), right=(11, 8, 0.2))
    keypoints, _ = detect_keypoints(heatmap, DetectionConfig(subpixel=True))
    np.testing.assert_allclose(keypoints, [[10.25, 8]], rtol=1e-6)


def test_where_a_keypoint_lies_does_not_depend_on_border_and_budget() -> None:
    heatmap = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    everything = DetectionConfig(border_px=0, max_keypoints=None, subpixel=True)
    few = DetectionConfig(border_px=7, max_keypoints=9, subpixel=True)
    keypoints = {tuple(point) for point in detect_keypoints(heatmap, everything)[0].tolist()}
    strongest = detect_keypoints(heatmap, few)[0].tolist()
    assert len(strongest) == 9 and all(tuple(point) in keypoints for point in strongest)


def test_radius_border_and_keypoints_of_a_resized_image_are_in_pixels_of_the_image() -> None:
    heatmap = np.zeros((80, 120), np.float32)
    heatmap[40, 60], heatmap[40, 67], heatmap[40, 70], heatmap[7, 60] = 0.9, 0.8, 0.7, 0.9
    config = DetectionConfig(0.1, nms_radius_px=4, border_px=4)
    keypoints, scores = detect_keypoints(heatmap, config, image_shape=(40, 60))
    np.testing.assert_array_equal(
        keypoints, [[29.75, 19.75], [34.75, 19.75]]
    )  # 3.5 px away is within the radius, 5 px not
    np.testing.assert_array_equal(scores, np.float32([0.9, 0.7]))


def test_limits_of_radius_and_border_are_those_of_the_image_not_of_the_resized_one() -> None:
    heatmap = np.zeros((16, 16), np.float32)
    heatmap[8, 8], heatmap[8, 12] = 0.9, 0.8
    keypoints, _ = detect_keypoints(heatmap, DetectionConfig(0.1, nms_radius_px=1024, border_px=0), image_shape=(2, 2))
    np.testing.assert_array_equal(keypoints, [[0.5625, 0.5625]])
