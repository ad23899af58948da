"""Density by distance from the edge, on frames so small that pixels can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.evaluation.edge_density import edge_density

SHAPE = (10, 12)  # rings of 40, 32, 24, 16 and 8 pixels


def every_pixel() -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(float)


def test_a_keypoint_on_every_pixel_is_equally_dense_everywhere():
    found = edge_density([every_pixel()], SHAPE, distances=range(4))
    np.testing.assert_allclose(found.densities, 10_000)
    assert found.interior == 10_000 and found.num_keypoints.tolist() == [40, 32, 24, 16]
    np.testing.assert_allclose(found.expected, [40, 32, 24, 16])


def test_a_line_along_the_edge_stands_out_at_its_exact_distance():
    points = every_pixel()
    line = points[(points[:, 0] == 2) & (points[:, 1] >= 2) & (points[:, 1] <= 7)]  # six of the ring of 24
    inside = np.array([[5, 4], [6, 5]])  # two of the eight in the middle
    found = edge_density([np.concatenate([line, inside])], SHAPE, distances=[1, 2, 3])
    np.testing.assert_allclose(found.densities, [0, 2500, 0])
    assert found.interior == 2500 and found.ratios.tolist() == [0, 1, 0]
    assert found.beyond(1.5, min_expected=5) == [1]  # eight were to be expected; at distance 3 four, too few to tell
    assert found.beyond(1.5, min_expected=4) == [1, 3]


def test_distances_are_those_of_the_nearest_pixel_and_edge():
    points = np.array([[1.49, 5], [1.5, 5], [9.5, 5], [5, 8.4]])  # 1, 2, 1 from the right, 1 from below
    found = edge_density([points], SHAPE, distances=[0, 1, 2, 3])
    assert found.num_keypoints.tolist() == [0, 3, 1, 0]


def test_pixels_that_are_not_known_count_neither_as_area_nor_their_keypoints():
    known = np.zeros(SHAPE, bool)
    known[:, 6:] = True
    found = edge_density([every_pixel(), every_pixel()], SHAPE, [known, np.zeros(SHAPE, bool)], range(4))
    np.testing.assert_allclose(found.densities, 10_000)
    assert found.num_keypoints.tolist() == [20, 16, 12, 8]


def test_a_distance_without_pixels_has_no_density_and_is_never_beyond():
    found = edge_density([every_pixel()], SHAPE, [np.hypot(*(every_pixel().T - 5).reshape(2, *SHAPE)) < 2], range(4))
    assert np.isnan(found.densities[0]) and found.beyond(1.5, min_expected=1) == []


def test_a_missing_mask_is_said():
    with pytest.raises(ValueError, match="2 images but 1 masks"):
        edge_density([every_pixel()] * 2, SHAPE, [np.ones(SHAPE, bool)])
