"""Keypoints between pixels: by eye, and what must hold whatever the heatmap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.detection.refinement import refine_keypoints
from superpoint_tf.detection.suppression import suppress_keypoints

Point = tuple[int, int, float]


def refined(*points: Point, keypoints: int = 1, shape: tuple[int, int] = (20, 30), radius_px: int = 4) -> np.ndarray:
    """Refine the first `keypoints` of some pixels (x, y, probability)."""
    heatmap = np.zeros(shape, np.float32)
    for x, y, probability in points:
        heatmap[y, x] = probability
    return refine_keypoints(heatmap, np.array([point[:2] for point in points[:keypoints]], float), radius_px)


def test_a_keypoint_moves_to_the_centre_of_mass() -> None:
    np.testing.assert_allclose(refined((10, 8, 0.6), (11, 8, 0.2), (10, 5, 0.2)), [[10.2, 7.4]], rtol=1e-6)


def test_a_symmetric_peak_stays_and_sees_no_more_than_7x7_pixels() -> None:
    np.testing.assert_allclose(refined((10, 8, 0.6), (9, 8, 0.1), (11, 8, 0.1), (14, 8, 0.5), (10, 4, 0.5)), [[10, 8]])


def test_outside_the_frame_there_is_nothing() -> None:
    np.testing.assert_allclose(refined((0, 0, 0.5), (1, 0, 0.5), shape=(6, 6)), [[0.5, 0]])


@pytest.mark.parametrize("nothing", [0.0, np.nan, np.inf, -1.0])
def test_without_any_probability_a_keypoint_stays(nothing: float) -> None:
    np.testing.assert_array_equal(refined((5, 7, nothing)), [[5, 7]])


def test_what_is_nearer_to_another_keypoint_is_its_own() -> None:
    # 5 px apart: the pixel between them, 3 px from the first and 2 from the second, moves the second alone
    found = refined((10, 8, 0.6), (15, 8, 0.6), (13, 8, 0.2), keypoints=2)
    np.testing.assert_allclose(found, [[10, 8], [14.5, 8]], rtol=1e-6)


def test_two_keypoints_that_draw_near_move_by_less_than_half_a_pixel_and_others_as_they_will() -> None:
    # 5 px apart and suppressed within 4: at 10.8 and 14.2 they would round to 4 px
    pulled = ((12, 8, 0.4), (13, 8, 0.4), (20, 14, 0.6), (21, 14, 2.4))
    found = refined((10, 8, 0.6), (15, 8, 0.6), (20, 14, 0.6), *pulled, keypoints=3)
    np.testing.assert_allclose(found, [[10.499, 8], [14.501, 8], [20.8, 14]], rtol=1e-6)


def test_a_keypoint_that_a_limited_one_meets_is_limited_too() -> None:
    # the middle one would follow the right one away from the left one; held back, it is met by the left one
    points = ((10, 8, 0.2), (15, 8, 0.2), (20, 8, 0.2), (12, 8, 0.2), (17, 8, 0.2), (18, 8, 0.2))
    found = refined(*points, keypoints=3)
    assert (np.diff(np.floor(found[:, 0] + 0.5)) > 4).all()


def test_no_keypoints_stay_none() -> None:
    assert refine_keypoints(np.ones((8, 8)), np.zeros((0, 2)), 4).shape == (0, 2)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 40),
    width=st.integers(1, 60),
    radius_px=st.integers(0, 9),
    peaked=st.sampled_from([1, 8, 40]),
)
def test_what_suppression_kept_it_keeps_again_and_true_distances_stay_above_its_radius(
    seed: int, height: int, width: int, radius_px: int, peaked: int
) -> None:
    heatmap = (np.random.default_rng(seed).random((height, width)) ** peaked).astype(np.float32)
    config = DetectionConfig(0.0, radius_px, border_px=0, max_keypoints=None, subpixel=True)
    keypoints, scores = detect_keypoints(heatmap, config)
    assert suppress_keypoints(keypoints, scores, radius_px).tolist() == list(range(len(keypoints)))
    distances = np.abs(keypoints[:, None].astype(float) - keypoints[None]).max(axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (distances > radius_px).all()
    whole = detect_keypoints(heatmap, DetectionConfig(0.0, radius_px, border_px=0, max_keypoints=None))[0]
    assert np.abs(keypoints - whole).max(initial=0.0) <= 3
    inside = (keypoints >= 0).all() and (keypoints <= (width - 1, height - 1)).all()
    assert inside
