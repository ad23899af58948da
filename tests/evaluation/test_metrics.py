"""Metrics on cases whose answer can be worked out on paper."""

import subprocess
import sys

import numpy as np
import pytest

from superpoint_tf.evaluation import metrics

SHAPE = (100, 200)  # height, width: the frame reaches to x = 199, y = 99
IDENTITY = np.eye(3)
NONE = np.zeros((0, 2), np.float32)


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)


def points(*xy: tuple[float, float]) -> np.ndarray:
    return np.array(xy, np.float32).reshape(-1, 2)


def repeatability(keypoints0, keypoints1, homography, max_keypoints=300, distance_px=3.0):
    distances = metrics.partner_distances(keypoints0, keypoints1, homography, SHAPE, max_keypoints)
    return metrics.repeatability(*distances, distance_px)


# w = 1 - x / 100: what lies beyond x = 100 is behind the camera
BEHIND = np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]], float)


def test_points_that_move_with_the_homography_are_all_repeated():
    keypoints = points((50, 50), (60, 20), (100, 80))
    assert repeatability(keypoints, keypoints + points((10, -5)), shift(10, -5)) == 1


def test_repeatability_counts_both_sets():
    # of view 0 one of two has a partner, of view 1 one of three: 2 / 5
    keypoints0, keypoints1 = points((50, 50), (20, 20)), points((52, 50), (90, 90), (150, 10))
    assert repeatability(keypoints0, keypoints1, IDENTITY) == 2 / 5


def test_two_keypoints_may_share_a_partner():
    assert repeatability(points((50, 50), (52, 50)), points((51, 50)), IDENTITY) == 1


def test_a_partner_at_exactly_the_distance_counts():
    assert repeatability(points((50, 50)), points((53, 50)), IDENTITY) == 1
    assert repeatability(points((50, 50)), points((53.01, 50)), IDENTITY) == 0


def test_distances_are_pixels_of_view_1():
    twice = np.diag([2.0, 2.0, 1.0])
    distances0, distances1 = metrics.partner_distances(points((10, 10)), points((24, 20)), twice, SHAPE)
    assert distances0 == distances1 == [4]  # two pixels in view 0


def test_the_homography_goes_from_view_0_to_view_1():
    keypoints = points((50, 50), (60, 20))
    assert repeatability(keypoints, keypoints + points((10, 0)), shift(-10, 0)) == 0


def test_the_edge_of_the_frame_is_inside_and_what_lies_beyond_is_not():
    keypoints = points((0, 0), (199, 99), (199.01, 50), (-0.01, 50), (50, 99.01))
    assert metrics.in_shared_area(keypoints, IDENTITY, SHAPE).tolist() == [True, True, False, False, False]


def test_keypoints_outside_the_shared_area_are_neither_repeated_nor_missed():
    # a shift by 100: the left half of view 0 is seen in view 1, as its right half
    keypoints0, keypoints1 = points((10, 50), (150, 50), (160, 20)), points((110, 50), (20, 20))
    assert repeatability(keypoints0, keypoints1, shift(100, 0)) == 1


def test_the_budget_is_spent_after_the_shared_area_is_cut_out():
    # strongest first: the two strongest of view 0 leave the frame and do not use up the budget of one
    keypoints0, keypoints1 = points((150, 50), (160, 20), (10, 50), (30, 30)), points((110, 50), (180, 90))
    assert repeatability(keypoints0, keypoints1, shift(100, 0), max_keypoints=1) == 1


def test_a_point_behind_the_camera_is_not_in_the_shared_area():
    keypoints = points((40, 40), (150, 10), (100, 10))  # the second has w < 0 though its quotient looks finite
    assert metrics.in_shared_area(keypoints, BEHIND, SHAPE).tolist() == [True, False, False]


@pytest.mark.parametrize(("keypoints0", "keypoints1"), [(NONE, points((5, 5))), (points((5, 5)), NONE), (NONE, NONE)])
def test_no_keypoints_on_either_side_is_a_failure(keypoints0, keypoints1):
    assert repeatability(keypoints0, keypoints1, IDENTITY) == 0
    matches = np.zeros((0, 2), int)
    assert metrics.matching_score(keypoints0, keypoints1, matches, IDENTITY, SHAPE) == 0
    descriptors0, descriptors1 = (np.ones((len(k), 4), np.float32) for k in (keypoints0, keypoints1))
    assert metrics.nearest_neighbour_map(keypoints0, keypoints1, descriptors0, descriptors1, IDENTITY, SHAPE) == 0


def test_localization_error_is_the_mean_distance_of_partners_only():
    distances = metrics.partner_distances(
        points((50, 50), (90, 90)), points((51, 50), (90, 92), (10, 10)), IDENTITY, SHAPE
    )
    assert metrics.localization_error(*distances) == pytest.approx((1 + 2 + 1 + 2) / 4)


def test_localization_error_without_partners_is_nan():
    assert np.isnan(metrics.localization_error(*metrics.partner_distances(points((5, 5)), NONE, IDENTITY, SHAPE)))


# ------------------------------------------------------------------------------------------------ known truth


def test_each_truth_is_matched_once_by_the_highest_score():
    correct, error = metrics.match_detections(points((11, 10), (10, 10)), np.array([0.5, 0.9]), points((10, 10)))
    assert correct.tolist() == [False, True]
    assert error.tolist() == [np.inf, 0]


def test_a_detection_whose_nearest_truth_is_taken_gets_the_next():
    correct, error = metrics.match_detections(
        points((10, 10), (11, 10)), np.array([0.9, 0.5]), points((10, 10), (13, 10))
    )
    assert correct.tolist() == [True, True]
    assert error.tolist() == [0, 2]


def test_among_equal_scores_the_first_is_served_first():
    correct, _ = metrics.match_detections(points((12, 10), (10, 10)), np.array([0.5, 0.5]), points((10, 10)))
    assert correct.tolist() == [True, False]


def test_average_precision_of_a_curve_on_paper():
    # right, wrong, right of three: precision 1 up to recall 1/3, then 2/3 up to 2/3, nothing after that
    precision = metrics.average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3)
    assert precision == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_precision_is_made_non_increasing():
    # wrong, right, right of two: 0, 1/2, 2/3 becomes 2/3 throughout
    precision = metrics.average_precision(np.array([0.9, 0.8, 0.7]), np.array([False, True, True]), 2)
    assert precision == pytest.approx(2 / 3)


def test_the_order_of_equal_scores_has_no_effect_on_average_precision():
    scores, correct = np.array([0.5, 0.5, 0.4, 0.5]), np.array([True, False, True, False])
    values = {metrics.average_precision(scores[o], correct[o], 2) for o in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 0, 1])}
    assert values == {1 / 2 * 1 / 2 + 1 / 2 * 2 / 4}


def test_average_precision_of_nothing():
    nothing = (np.zeros(0), np.zeros(0, bool))
    assert metrics.average_precision(*nothing, 5) == 0
    assert np.isnan(metrics.average_precision(*nothing, 0))
    assert metrics.average_precision(np.ones(2), np.zeros(2, bool), 5) == 0


def pooled(*pictures: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple[float, float]:
    judged = [metrics.judge_detections(*picture) for picture in pictures]
    return metrics.pooled_precision(judged), metrics.pooled_localization_error(judged)


def test_detections_are_pooled_so_one_without_truth_costs_precision_everywhere():
    found = (points((10, 10)), np.array([0.5]), points((10, 11)))
    empty = (points((50, 50)), np.array([0.9]), NONE)  # an ellipse on which something is seen
    assert pooled(found) == (1, 1)
    assert pooled(found, empty) == (0.5, 1)
    assert pooled((NONE, np.zeros(0), NONE), found) == (1, 1)


# ------------------------------------------------------------------------------------------------ matches


MATCHES = np.array([[0, 0], [1, 1]])


def test_match_errors_are_distances_after_the_homography_and_infinite_behind_the_camera():
    errors = metrics.match_errors(points((10, 10), (20, 20)), points((13, 14), (20, 20)), MATCHES, IDENTITY)
    assert errors.tolist() == [5, 0]
    # (150, 10) has w = -1/2: divided through it would land on (-300, -20), where a keypoint waits
    errors = metrics.match_errors(points((0, 0), (150, 10)), points((0, 0), (-300, -20)), MATCHES, BEHIND)
    assert errors.tolist() == [0, np.inf]


def test_mean_matching_accuracy_is_one_value_a_threshold():
    accuracy = metrics.mean_matching_accuracy(np.array([0.5, 1, 3.5, np.inf]))
    assert accuracy.tolist() == [0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75]


def test_no_matches_is_an_accuracy_of_zero():
    assert metrics.mean_matching_accuracy(np.zeros(0)).tolist() == [0] * 10


def test_matching_score_divides_by_the_keypoints_in_the_shared_area():
    # shift by 100: of view 0 two lie in the shared area (one correct), of view 1 one; the match outside counts nowhere
    keypoints0, keypoints1 = points((10, 50), (30, 30), (150, 50)), points((110, 50), (20, 20))
    matches = np.array([[0, 0], [2, 1]])
    assert metrics.matching_score(keypoints0, keypoints1, matches, shift(100, 0), SHAPE) == (1 / 2 + 1 / 1) / 2


def test_nearest_neighbour_map_ranks_by_descriptor_distance():
    keypoints0, keypoints1 = points((10, 10), (50, 50)), points((10, 10), (50, 50))
    right, wrong = np.array([[0.0], [10.0]]), np.array([[10.0], [0.0]])
    assert metrics.nearest_neighbour_map(keypoints0, keypoints1, right, right, IDENTITY, SHAPE) == 1
    assert metrics.nearest_neighbour_map(keypoints0, keypoints1, right, wrong, IDENTITY, SHAPE) == 0
    # view 0: a right answer at distance 1, a wrong one at distance 4; one of two found at precision 1. View 1:
    # the keypoint at (50, 50) answers wrongly at 1 and is listed with the right answer of (10, 10) at 1: half of 1/2
    one_right = np.array([[0.0], [4.0]]), np.array([[1.0], [-9.0]])
    value = metrics.nearest_neighbour_map(keypoints0, keypoints1, *one_right, IDENTITY, SHAPE)
    assert value == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_nearest_neighbour_map_compares_bit_strings_by_hamming_distance():
    keypoints = points((10, 10), (50, 50))
    # 128 is further from 0 than 3 as a number, but one bit against two
    descriptors0, descriptors1 = np.array([[0], [7]], np.uint8), np.array([[128], [3]], np.uint8)
    assert metrics.nearest_neighbour_map(keypoints, keypoints, descriptors0, descriptors1, IDENTITY, SHAPE) == 1


def test_a_descriptor_that_is_not_finite_answers_nothing_and_costs_only_its_own_recall():
    keypoints = points((10, 10), (50, 50), (90, 20), (150, 80))
    descriptors = np.array([[0.0, 1.0], [10.0, 1.0], [20.0, 1.0], [30.0, 1.0]], np.float32)
    damaged = descriptors.copy()
    damaged[0, 0] = np.nan
    # view 0 lacks one answer of four; in view 1 the same keypoint answers with a wrong one, farther than all others
    value = metrics.nearest_neighbour_map(keypoints, keypoints, damaged, descriptors, IDENTITY, SHAPE)
    assert value == 3 / 4
    nothing = np.full_like(descriptors, np.nan)
    assert metrics.nearest_neighbour_map(keypoints, keypoints, nothing, descriptors, IDENTITY, SHAPE) == 0


def test_nearest_neighbour_map_breaks_ties_as_matching_does():
    # 33 x 17 equal unit descriptors, which a matrix product rounds differently: the lowest index is everybody's answer
    one = np.random.default_rng(2).normal(size=(1, 256))
    descriptors0, descriptors1 = (np.repeat(one / np.linalg.norm(one), count, axis=0) for count in (33, 17))
    keypoints0, keypoints1 = (points(*((10 + 5 * k, 50) for k in range(count))) for count in (33, 17))
    value = metrics.nearest_neighbour_map(keypoints0, keypoints1, descriptors0, descriptors1, IDENTITY, SHAPE)
    # of view 0 one of 33 is right and 17 could be, of view 1 one of 17
    assert value == pytest.approx((1 / 17 / 33 + 1 / 17 / 17) / 2)


def test_a_keypoint_without_any_true_partner_does_not_lower_recall():
    keypoints0, keypoints1 = points((10, 10), (150, 90)), points((10, 10))
    descriptors0, descriptors1 = np.array([[0.0], [5.0]]), np.array([[0.0]])
    assert metrics.nearest_neighbour_map(keypoints0, keypoints1, descriptors0, descriptors1, IDENTITY, SHAPE) == 1


# ------------------------------------------------------------------------------------------------ homographies


def test_homography_error_is_the_mean_corner_distance():
    assert metrics.homography_error(shift(3, 4), IDENTITY, SHAPE) == 5
    # x grows by a fifth: the two right corners move by 199 / 5, the left ones stay
    assert metrics.homography_error(np.diag([1.2, 1, 1]), IDENTITY, SHAPE) == pytest.approx(199 / 5 / 2)


def test_a_homography_that_fails_has_an_infinite_error():
    assert metrics.homography_error(None, IDENTITY, SHAPE) == np.inf
    assert metrics.homography_error(np.full((3, 3), np.nan), IDENTITY, SHAPE) == np.inf
    assert metrics.homography_error(BEHIND, IDENTITY, SHAPE) == np.inf  # a corner behind the camera


def test_accuracy_counts_failures_and_is_not_the_area_under_its_curve():
    errors = [0.0, 1.0, 4.0, np.inf]
    assert [metrics.homography_accuracy(errors, t) for t in (1, 3, 5)] == [0.5, 0.5, 0.75]
    # the curve joins (0, 0), (0, 1/4), (1, 2/4) and stays there to 2: 3/8 + 1/2 over 2
    assert metrics.homography_auc(errors, 2) == pytest.approx((3 / 8 + 1 / 2) / 2)


def test_accuracy_and_area_of_nothing_and_of_failures_alone_are_zero():
    for errors in ([], [np.inf, np.inf]):
        assert metrics.homography_accuracy(errors, 5) == 0
        assert metrics.homography_auc(errors, 5) == 0


def test_the_area_of_a_perfect_method_is_one():
    assert metrics.homography_auc([0.0] * 7, 3) == pytest.approx(1)


def test_the_evaluation_imports_no_tensorflow():
    names = ("measures", "pair_tasks", "methods.methods", "metrics", "pairs", "report.report", "sets.pair_sets")
    code = "".join(f"import superpoint_tf.evaluation.{name}\n" for name in names)
    code += "import sys; assert 'tensorflow' not in sys.modules and 'imgaug' not in sys.modules\n"
    code += "import superpoint_tf.evaluation.evaluate; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
