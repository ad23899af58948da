"""When an exported file counts as the same as TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.export.comparison import Difference, DiffersFromTensorFlow, compare_features
from superpoint_tf.features import Features

POINTS = np.array([[10, 10], [30, 12], [50, 40]], np.float32)
SCORES = np.array([0.9, 0.5, 0.2], np.float32)
EXPECTED = Features(POINTS, SCORES, np.eye(3, 4, dtype=np.float32))


def test_the_order_of_keypoints_is_no_difference():
    difference = compare_features([(EXPECTED, EXPECTED.take(np.array([2, 0, 1])))])
    assert difference == Difference(images=1, keypoints=3)
    difference.raise_if_large()


def test_a_keypoint_of_either_side_that_is_a_pixel_off_is_alone():
    moved = POINTS.copy()
    moved[1, 0] += 1
    difference = compare_features([(EXPECTED, EXPECTED._replace(keypoints=moved))])
    assert (difference.keypoints, difference.alone) == (3, 1)
    with pytest.raises(DiffersFromTensorFlow, match=r"2 of 3 keypoints within 0\.5 px"):
        difference.raise_if_large()
    assert compare_features([(EXPECTED.take(slice(2)), EXPECTED)]).alone == 1
    assert compare_features([(EXPECTED, EXPECTED.take(slice(0)))]).alone == 3


def test_a_number_of_a_descriptor_that_is_off_by_more_than_a_thousandth_is_refused():
    descriptors = EXPECTED.descriptors.copy()
    descriptors[2, 3] += 0.002
    difference = compare_features([(EXPECTED, EXPECTED), (EXPECTED, EXPECTED._replace(descriptors=descriptors))])
    assert difference.images == 2 and difference.descriptor == pytest.approx(0.002)
    with pytest.raises(DiffersFromTensorFlow, match=r"descriptors within 2\.0e-03"):
        difference.raise_if_large()


def test_two_detectors_are_compared_by_their_scores():
    detector = EXPECTED._replace(descriptors=None)
    found = detector._replace(scores=SCORES + np.float32(0.25))
    assert compare_features([(detector, found)]).score == pytest.approx(0.25)


def test_one_keypoint_in_thousands_may_change_places_by_rounding():
    Difference(images=1, keypoints=5000, alone=5).raise_if_large()
    with pytest.raises(DiffersFromTensorFlow):
        Difference(images=1, keypoints=5000, alone=6).raise_if_large()
