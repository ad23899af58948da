"""Mutual nearest neighbours, by eye and against a loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from superpoint_tf.features import matching
from superpoint_tf.features.matching import match_descriptors, match_with_distances, squared_distances


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


def slow_matches(descriptors0: np.ndarray, descriptors1: np.ndarray) -> list[list[int]]:
    distances = [[sum((a - b) ** 2 for a, b in zip(d0, d1, strict=True)) for d1 in descriptors1] for d0 in descriptors0]
    nearest = [row.index(min(row)) for row in distances]
    back = [c.index(min(c)) for c in (list(c) for c in zip(*distances, strict=True))]
    return [[i, j] for i, j in enumerate(nearest) if back[j] == i]


def test_only_neighbours_that_choose_each_other_match() -> None:
    matches, distances = match_with_distances(column(0, 10, 11), column(12, 1))
    assert matches.tolist() == [[0, 1], [2, 0]]  # 10 is also nearest to 12, but 12 prefers 11
    assert distances.tolist() == [1, 1]


def test_matches_equal_those_of_a_plain_loop_with_many_ties() -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 3, (count, 3)).astype(np.float32) for count in (40, 50))
    assert match_descriptors(first, second).tolist() == slow_matches(first, second)


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    first, second = (generator.integers(0, 4, (count, 3)).astype(np.float32) for count in (31, 20))
    whole = match_with_distances(first, second, ratio=0.9)
    monkeypatch.setattr(matching, "_BLOCK_ELEMENTS", 50)
    blocks = match_with_distances(first, second, ratio=0.9)
    np.testing.assert_array_equal(whole[0], blocks[0])
    np.testing.assert_array_equal(whole[1], blocks[1])


def test_of_equal_unit_descriptors_the_lowest_index_wins() -> None:
    generator = np.random.default_rng(2)
    for count0, count1 in itertools.product((1, 5, 33), range(5, 20)):  # a matrix product rounds them differently
        one = generator.normal(size=(1, 256))
        one /= np.linalg.norm(one)
        matches, distances = match_with_distances(np.repeat(one, count0, axis=0), np.repeat(one, count1, axis=0))
        assert matches.tolist() == [[0, 0]]
        assert distances.tolist() == [0]


def test_distances_of_floats_are_euclidean_for_any_length() -> None:
    assert match_with_distances(np.array([[300.0, 400.0]]), np.zeros((1, 2)))[1].tolist() == [500]


def test_bytes_are_compared_by_hamming_distance() -> None:
    zeros, nearly = (
        np.array([[0, 0]], np.uint8),
        np.array([[0b11, 0], [128, 0]], np.uint8),
    )  # 128 is one bit away, 3 two
    matches, distances = match_with_distances(zeros, nearly)
    assert matches.tolist() == [[0, 1]]
    assert distances.tolist() == [1]


def test_the_ratio_compares_with_the_second_nearest_of_view_1() -> None:
    descriptors0, descriptors1 = column(0, 100), column(3, -4, 101)
    assert match_descriptors(descriptors0, descriptors1, ratio=0.7).tolist() == [[1, 2]]
    assert match_descriptors(descriptors0, descriptors1, ratio=0.8).tolist() == [[0, 0], [1, 2]]


def test_the_ratio_lets_a_single_candidate_through() -> None:
    assert match_descriptors(column(0), column(5), ratio=0.7).tolist() == [[0, 0]]


def test_a_match_at_the_largest_distance_stays() -> None:
    assert match_descriptors(column(0, 10), column(2, 13), max_distance=2).tolist() == [[0, 0]]


@pytest.mark.parametrize(("count0", "count1"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_matches_nothing(count0: int, count1: int) -> None:
    matches, distances = match_with_distances(np.zeros((count0, 4)), np.zeros((count1, 4)))
    assert matches.shape == (0, 2) and distances.shape == (0,)
    assert np.issubdtype(matches.dtype, np.integer)


def test_a_descriptor_that_is_not_finite_matches_nothing() -> None:
    assert match_descriptors(column(np.nan, 1), column(np.inf, 2)).tolist() == [[1, 1]]
    assert match_descriptors(column(np.nan), column(2)).tolist() == []


def test_squared_distances_are_those_that_matching_chooses_by(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    first, second = (generator.integers(0, 4, (count, 3)).astype(np.float32) for count in (31, 20))
    expected = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    monkeypatch.setattr(matching, "_BLOCK_ELEMENTS", 50)
    np.testing.assert_allclose(squared_distances(first, second), expected, atol=1e-9)
    second[4, 1] = np.nan
    distances = squared_distances(first, second)
    assert np.isinf(distances[:, 4]).all() and np.isfinite(np.delete(distances, 4, axis=1)).all()
    matches = match_descriptors(first, second)
    assert distances[matches[:, 0]].argmin(axis=1).tolist() == matches[:, 1].tolist()
    assert squared_distances(first, second[:0]).shape == (31, 0)


def test_differing_extractors_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="dimension 4 with float ones of dimension 5"):
        match_descriptors(np.zeros((2, 4)), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="binary ones"):
        match_descriptors(np.zeros((2, 4), np.uint8), np.zeros((2, 4)))
