"""Classical costs against loops written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.stereo.costs import absolute_differences, box_mean, census, census_bits, least_cost, right_volume


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    levels = np.random.default_rng(0).integers(0, 256, (7, 9 + 2), np.uint8)
    return levels[:, :9], levels[:, 2:]  # the right picture shows everything two pixels farther left


def test_absolute_differences_are_those_of_the_definition(pair: tuple[np.ndarray, np.ndarray]) -> None:
    left, right = pair
    volume = absolute_differences(left, right, 4)
    for d, y, x in np.ndindex(4, 7, 9):
        expected = 255 if x < d else abs(int(left[y, x]) - int(right[y, x - d]))
        assert volume[d, y, x] == expected


def test_census_counts_the_neighbours_whose_order_differs(pair: tuple[np.ndarray, np.ndarray]) -> None:
    left, right = pair
    volume = census(left, right, 3, side=3)

    def darker(picture: np.ndarray, y: int, x: int) -> list[bool]:
        around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        return [bool(picture[min(max(y + dy, 0), 6), min(max(x + dx, 0), 8)] < picture[y, x]) for dy, dx in around]

    for d, y, x in np.ndindex(3, 7, 9):
        differing = (
            8 if x < d else sum(a != b for a, b in zip(darker(left, y, x), darker(right, y, x - d), strict=True))
        )
        assert volume[d, y, x] == differing


def test_census_of_a_flat_picture_has_no_bit() -> None:
    assert not census_bits(np.full((5, 6), 9, np.uint8), 9).any()


def test_the_least_cost_of_a_shifted_pair_is_its_shift(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert (least_cost(absolute_differences(*pair, 5))[:, 2:] == 2).mean() > 0.95  # chance matches apart


def test_of_equal_costs_the_smallest_disparity_wins() -> None:
    assert least_cost(np.zeros((3, 2, 2), np.float32)).max() == 0


def test_the_right_volume_has_the_same_pairs() -> None:
    volume = np.random.default_rng(1).random((3, 2, 5)).astype(np.float32)
    other = right_volume(volume)
    for d, y, x in np.ndindex(3, 2, 5):
        assert other[d, y, x] == (volume[d, y, x + d] if x + d < 5 else volume.max())


def test_more_disparities_than_columns_are_costs_without_a_pair() -> None:
    flat = np.zeros((2, 3), np.uint8)
    volume = absolute_differences(flat, flat, 6)
    assert (volume[3:] == 255).all() and (right_volume(volume)[3:] == 255).all()


def test_box_means_are_means() -> None:
    volume = np.random.default_rng(2).random((1, 5, 5)).astype(np.float32)
    assert box_mean(volume, 3)[0, 2, 2] == pytest.approx(volume[0, 1:4, 1:4].mean())
