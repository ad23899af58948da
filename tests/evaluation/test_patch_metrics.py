"""The numbers of patches, on distances so few that they can be counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from superpoint_tf.evaluation.patch_metrics import fpr95, nearest_is_right


def test_the_threshold_accepts_at_least_95_of_100_positives():
    positive, negative = np.arange(1.0, 101.0), np.array([94.0, 95.0, 96.0, 200.0])
    assert fpr95(positive, negative) == 0.5  # the 95th positive is at 95: two negatives are no farther


def test_with_few_positives_all_that_95_percent_round_up_to_are_accepted():
    assert fpr95(np.array([1.0, 2.0, 9.0]), np.array([5.0, 10.0])) == 0.5


def test_separated_distances_have_no_false_positive_and_equal_ones_have_all():
    assert fpr95(np.zeros(20), np.ones(30)) == 0.0
    assert fpr95(np.ones(20), np.ones(30)) == 1.0


def test_without_either_kind_there_is_no_rate():
    assert math.isnan(fpr95(np.zeros(0), np.ones(3))) and math.isnan(fpr95(np.ones(3), np.zeros(0)))


def test_a_point_is_right_if_neither_of_its_patches_has_a_nearer_negative():
    distances = np.array([[1.0, 9.0, 9.0], [9.0, 1.0, 0.5], [9.0, 9.0, 1.0]])
    allowed = ~np.eye(3, dtype=bool)
    assert nearest_is_right(distances, allowed) == pytest.approx(1 / 3)  # .5 is nearer to point 1 and to point 2


def test_pairs_that_are_not_allowed_count_for_nothing():
    distances = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert math.isnan(nearest_is_right(distances, np.zeros((2, 2), bool)))
    assert math.isnan(nearest_is_right(np.zeros((0, 0)), np.zeros((0, 0), bool)))
    assert nearest_is_right(distances, np.array([[False, True], [False, False]])) == 0.0
