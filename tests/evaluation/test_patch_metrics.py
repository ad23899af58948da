"""The numbers of patches, on distances so few that they can be counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from superpoint_tf.evaluation.patch_metrics import (
    fpr95,
    matching_scores,
    nearest_is_right,
    pairs_average_precision,
    retrieval_average_precision,
    roc_auc,
    trapezoid_average_precision,
)


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


def loop_auc(positive: np.ndarray, negative: np.ndarray) -> float:
    return float(np.mean([[1.0 if p < n else 0.5 if p == n else 0.0 for n in negative] for p in positive]))


def loop_trapezoid(distances: np.ndarray, right: np.ndarray, num_right: int) -> float:
    """Walk over all thresholds and count anew at each."""
    area, recall0, precision0 = 0.0, 0.0, 1.0
    for threshold in sorted(set(distances.tolist())):
        accepted = [r for d, r in zip(distances, right, strict=True) if d <= threshold]
        recall, precision = sum(accepted) / num_right, sum(accepted) / len(accepted)
        area += (recall - recall0) * (precision + precision0) / 2
        recall0, precision0 = recall, precision
    return area


@pytest.mark.parametrize("levels", [3, 10, 10**6])  # few levels: many equal distances, as Hamming's
def test_areas_are_those_of_a_count_at_every_threshold(levels: int):
    generator = np.random.default_rng(levels)
    positive, negative = generator.integers(0, levels, 23) * 0.8, generator.integers(0, levels, 41) * 1.0
    assert roc_auc(positive, negative) == pytest.approx(loop_auc(positive, negative))
    distances, right = np.concatenate([negative, positive]), np.arange(64) >= 41
    assert trapezoid_average_precision(distances, right, 30) == pytest.approx(loop_trapezoid(distances, right, 30))
    assert pairs_average_precision(positive, negative) == pytest.approx(loop_trapezoid(distances, right, 23))


def test_areas_without_a_wrong_order_are_one_and_of_equal_distances_a_half():
    assert roc_auc(np.array([1.0, 2.0]), np.array([3.0])) == 1.0
    assert roc_auc(np.array([3.0]), np.array([1.0, 2.0])) == 0.0
    assert roc_auc(np.ones(4), np.ones(9)) == 0.5
    assert pairs_average_precision(np.array([1.0, 2.0]), np.array([3.0])) == 1.0
    # one point at recall 1, precision 1/4, joined to (0, 1)
    assert pairs_average_precision(np.ones(1), np.ones(3)) == (1 + 1 / 4) / 2


def test_a_single_right_answer_at_rank_k_is_worth_half_of_one_over_k():
    """The curve falls to precision 0 before it rises to 1 / k at recall 1; at rank 1 it never falls."""
    for rank, expected in ((1, 1.0), (2, 1 / 4), (5, 1 / 10)):
        right = np.arange(1, 8) == rank
        assert trapezoid_average_precision(np.arange(7.0), right, 1) == pytest.approx(expected)


def test_what_never_answers_right_takes_from_recall():
    assert trapezoid_average_precision(np.array([1.0, 2.0]), np.array([True, True]), 4) == 0.5
    assert math.isnan(trapezoid_average_precision(np.ones(2), np.zeros(2, bool), 0))


def test_matching_ranks_the_nearest_of_each_row():
    """Rows 0 and 1 are right at 1 and 3, row 2 is wrong at 2: precisions 1, 1/2, 2/3 at recalls 1/3, 1/3, 2/3."""
    distances = np.array([[1.0, 9.0, 9.0], [9.0, 3.0, 9.0], [9.0, 2.0, 4.0]])
    precision, success = matching_scores(distances)
    assert success == pytest.approx(2 / 3)
    assert precision == pytest.approx(1 / 3 * 1 + 1 / 3 * (1 / 2 + 2 / 3) / 2)


def test_retrieval_judges_each_query_alone():
    positive = np.array([[1.0, 2.0], [5.0, 1.0]])
    distractors = np.array([[3.0, 4.0, 5.0], [2.0, 3.0, 9.0]])
    # the second: right, wrong, wrong, right: 1/2 at precision 1, then from 1/3 to 1/2
    expected = [1.0, 1 / 2 + (1 / 3 + 1 / 2) / 4]
    np.testing.assert_allclose(retrieval_average_precision(positive, distractors), expected)
