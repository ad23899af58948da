"""Candidate regions: how many a ring has, where they lie, what they sum to."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.config import ConvexSection
from superpoint_tf.training.convex.rings import Ring, candidate_rings, ring_pooling


@pytest.mark.parametrize(
    "radius, angle, count", [(0, 0, 1), (10, 0, 4), (10, 45, 4), (10, 22.5, 8), (10, 11.25, 8)], ids=str
)
def test_a_ring_has_the_images_of_its_point_under_the_symmetries_of_the_square(radius, angle, count) -> None:
    pooling = ring_pooling(Ring(radius, angle, 2.0), 64).reshape(-1, 64, 64)
    assert len(pooling) == count
    whole = pooling.sum(axis=0)
    for image in (whole[::-1], whole[:, ::-1], whole.T):
        np.testing.assert_allclose(image, whole, atol=1e-6)


def test_every_region_sums_to_1_wherever_it_lies_and_however_small_it_is() -> None:
    for ring in candidate_rings(ConvexSection(radii=4, angles=3, deviations=3), 64):
        np.testing.assert_allclose(ring_pooling(ring, 64).sum(axis=1), 1, rtol=1e-5)


def test_a_region_is_a_gaussian_about_its_centre() -> None:
    region = ring_pooling(Ring(8.0, 0.0, 2.0), 64).reshape(-1, 64, 64)[-1]  # the last is to the right
    y, x = np.mgrid[:64, :64] - 31.5
    assert np.sum(region * x) == pytest.approx(8, abs=1e-3) and np.sum(region * y) == pytest.approx(0, abs=1e-5)
    apart = (x - 8) ** 2 + y**2
    np.testing.assert_allclose(region[32, 40] / region[32, 38], np.exp(-(apart[32, 40] - apart[32, 38]) / 8), rtol=1e-4)
    assert region[32, 46] == 0  # more than three deviations away


def test_the_middle_is_one_candidate_a_deviation() -> None:
    rings = candidate_rings(ConvexSection(radii=3, angles=5, deviations=2), 64)
    assert len(rings) == 2 * (1 + 2 * 5) and len(set(rings)) == len(rings)
    assert {ring.radius_px for ring in rings} == {0, 15, 30} and {ring.deviation_px for ring in rings} == {0.5, 8}
