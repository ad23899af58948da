"""Neighbours in a database, matches, inliers and the ranking's average precision, against loops in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from superpoint_tf.evaluation.retrieval_measures import MeasuredQuery, gain, mean_average_precision, standard_error
from superpoint_tf.evaluation.retrieval_metrics import (
    Answer,
    Database,
    answer_query,
    count_inliers,
    first_is_right,
    query_average_precision,
    ranking_scores,
)
from superpoint_tf.features import Features


def features(descriptors: np.ndarray, points: np.ndarray | None = None) -> Features:
    count = len(descriptors)
    xy = np.arange(2 * count, dtype=np.float32).reshape(count, 2) if points is None else points
    return Features(xy.astype(np.float32), np.ones(count, np.float32), descriptors)


def random_features(seed: int, count: int, dimension: int = 3) -> Features:
    """Whole numbers, so that distances are exact and many of them equal."""
    drawn = np.random.default_rng(seed).integers(-2, 3, (count, dimension))
    return features(drawn.astype(np.float32))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the squared distance, or of bytes the number of different bits."""
    if first.dtype == np.uint8:
        return float(sum(bin(int(a) ^ int(b)).count("1") for a, b in zip(first, second, strict=True)))
    return float(sum((float(a) - float(b)) ** 2 for a, b in zip(first, second, strict=True)))


def neighbours_by_loops(
    pictures: list[Features], query: Features, count: int, without: int | None
) -> dict[int, list[tuple[int, int]]]:
    """Return the matches by picture, from the definition."""
    chosen: dict[int, list[tuple[float, int, int]]] = {}
    for q, vector in enumerate(query.descriptors):
        every = [
            (distance(vector, other), picture, place)
            for picture, found in enumerate(pictures)
            if picture != without
            for place, other in enumerate(found.descriptors)
        ]
        best_of: dict[int, tuple[float, int]] = {}
        for d, picture, place in sorted(every)[:count]:
            best_of.setdefault(picture, (d, place))
        for picture, (d, place) in best_of.items():
            chosen.setdefault(picture, []).append((d, q, place))
    result: dict[int, list[tuple[int, int]]] = {}
    for picture, triples in chosen.items():
        taken: dict[int, tuple[float, int]] = {}
        for d, q, place in sorted(triples):
            taken.setdefault(place, (d, q))
        result[picture] = sorted((q, place) for place, (_, q) in taken.items())
    return result


@pytest.mark.parametrize("without", [None, 2])
@pytest.mark.parametrize("count", [1, 4, 1000])
def test_neighbours_are_those_of_the_definition_ties_included(count: int, without: int | None):
    pictures = [random_features(seed, size) for seed, size in enumerate((7, 0, 5, 9))]
    query = random_features(9, 8)
    found = {p: list(map(tuple, m.tolist())) for p, m in Database(pictures).neighbours(query, count, without)}
    assert found == neighbours_by_loops(pictures, query, count, without)
    assert found and 1 not in found and without not in found


def test_neighbours_of_bit_strings_are_by_hamming_distance():
    drawn = [np.random.default_rng(seed).integers(0, 256, (6, 2)).astype(np.uint8) for seed in range(4)]
    pictures, query = [features(each) for each in drawn[:3]], features(drawn[3])
    found = {p: list(map(tuple, m.tolist())) for p, m in Database(pictures).neighbours(query, 5)}
    assert found == neighbours_by_loops(pictures, query, 5, None)


def test_nothing_is_near_what_is_not_finite():
    broken = features(np.array([[np.nan, 0], [0, 0]], np.float32))
    assert [m.tolist() for _, m in Database([broken]).neighbours(features(np.zeros((1, 2), np.float32)), 5)] == [
        [[0, 1]]
    ]
    assert not list(Database([broken]).neighbours(features(np.full((1, 2), np.inf, np.float32)), 5))


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_without_features_nothing_is_found(sizes: tuple[int, int]):
    answer = answer_query(Database([random_features(0, sizes[0])]), random_features(1, sizes[1]), 8.0)
    right = np.array([True])
    assert answer.matches.tolist() == answer.inliers.tolist() == [0]
    assert query_average_precision(answer, right) == first_is_right(answer, right) == 0.0


def test_an_empty_database_answers_nothing():
    answer = answer_query(Database([]), random_features(0, 3), 8.0)
    assert len(answer.matches) == 0 and math.isnan(query_average_precision(answer, np.zeros(0, bool)))


def test_descriptors_of_two_kinds_are_refused():
    with pytest.raises(ValueError, match="of several kinds"):
        Database([random_features(0, 2), random_features(0, 2, 4)])


def test_points_that_move_together_are_inliers_and_three_of_them_give_no_homography():
    points = np.array([[0, 0], [90, 0], [0, 90], [90, 90], [30, 60], [55, 10]], np.float64)
    moved = points + np.array([7.0, -3.0])
    assert count_inliers(points, moved, 3.0) == 6
    moved[4] += 40
    assert count_inliers(points, moved, 3.0) == 5
    assert count_inliers(points[:3], moved[:3], 3.0) == 0 == count_inliers(points[:0], moved[:0], 3.0)


def test_a_picture_that_moved_has_the_most_inliers_of_a_database():
    generator = np.random.default_rng(0)
    words = [generator.standard_normal((20, 8)).astype(np.float32) for _ in range(3)]
    points = generator.uniform(0, 200, (20, 2))
    database = Database([features(each, points) for each in words])
    answer = answer_query(database, features(words[1], points + 5), 3.0)
    assert answer.inliers.argmax() == 1 and answer.inliers[1] == answer.matches[1] == 20


def test_only_the_pictures_with_the_most_matches_are_verified():
    words = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    points = np.random.default_rng(1).uniform(0, 200, (20, 2))
    database = Database([features(words[:count], points[:count]) for count in (12, 16, 12, 20)])
    answer = answer_query(database, features(words, points), 3.0, neighbours=4, shortlist=3)
    assert answer.matches.tolist() == [12, 16, 12, 20] and answer.inliers.tolist() == [12, 16, 0, 20]


def precision_by_loops(inliers: list[int], matches: list[int], right: list[bool]) -> float:
    """Return the step area under precision that does not rise, ties as one step, those without a match never found."""
    keys = [(i, m) for i, m in zip(inliers, matches, strict=True)]
    steps = []
    for key in sorted({key for key in keys if key[1] > 0}, reverse=True):
        found = [r for other, r in zip(keys, right, strict=True) if other[1] > 0 and other >= key]
        steps.append((sum(found) / sum(right), sum(found) / len(found)))
    area, before = 0.0, 0.0
    for number, (recall, _) in enumerate(steps):
        area += (recall - before) * max(precision for _, precision in steps[number:])
        before = recall
    return area


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_of_a_query_is_that_of_the_definition(seed: int):
    generator = np.random.default_rng(seed)
    matches = generator.integers(0, 6, 12)
    inliers = np.minimum(generator.integers(0, 4, 12), matches)
    right = generator.random(12) < 0.4
    right[0] = True
    expected = precision_by_loops(inliers.tolist(), matches.tolist(), right.tolist())
    assert query_average_precision(Answer(inliers, matches), right) == pytest.approx(expected)


def test_pictures_are_ranked_by_inliers_then_by_matches():
    answer = Answer(np.array([0, 4, 4, 9, 0]), np.array([3, 6, 7, 9, 0]))
    assert np.argsort(-ranking_scores(answer)).tolist() == [3, 2, 1, 0, 4]
    assert ranking_scores(answer)[4] == 0


def test_average_precision_by_hand():
    inliers = np.array([9, 7, 5, 0])
    right = np.array([True, False, True, True])  # the last has no match: never found
    assert query_average_precision(Answer(inliers, inliers), right) == pytest.approx((1 + 2 / 3) / 3)
    alike = Answer(np.full(4, 5), np.full(4, 5))
    assert query_average_precision(alike, right) == pytest.approx(3 / 4)
    assert first_is_right(alike, right) == 3 / 4 and first_is_right(Answer(inliers, inliers), right) == 1


def query(place: str, precision: float) -> MeasuredQuery:
    return MeasuredQuery(place, "", precision, 0.0, 1, 0.0, 0.0)


def test_places_count_alike_however_many_queries_they_have():
    queries = [query("a", 1.0), query("a", 0.0), query("a", 0.5), query("b", 0.1)]
    assert mean_average_precision(queries) == pytest.approx(0.3)
    assert standard_error(queries) == pytest.approx(0.2)  # of .5 and .1
    assert math.isnan(mean_average_precision([])) and math.isnan(standard_error(queries[:2]))


def test_a_gain_is_counted_place_by_place():
    before, after = [query("a", 0.2), query("b", 0.4)], [query("a", 0.3), query("b", 0.7)]
    assert gain(before, after) == pytest.approx((0.2, 0.1))
    assert math.isnan(gain(before[:1], after[:1])[1])
