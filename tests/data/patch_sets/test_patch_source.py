"""Training from a set of patches: two patches of one point, each point once an epoch, the same at every start."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.data.patch_sets.patch_source import PatchSource
from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.losses.distance_matrix import negatives_in

POINTS = np.array([4, 9, 4, 7, 9, 4, 2, 2])  # 7 is seen once


def point_patches() -> PointPatches:
    """Return patches whose grey levels are ten times their point, plus their number among its patches."""
    seen = [list(POINTS[:row]).count(point) for row, point in enumerate(POINTS)]
    levels = (10 * POINTS + np.array(seen)).astype(np.uint8)
    patches = np.broadcast_to(levels[:, None, None], (8, 3, 3)).copy()
    return PointPatches.of(patches, POINTS, np.zeros(8, np.int64), ("set",))


def test_a_sample_is_two_patches_of_one_point():
    batch = PatchSource(point_patches(), 0).batch(range(30))
    first, second = (np.rint(255 * batch[name][:, 0, 0, 0]).astype(int) for name in ("patches0", "patches1"))
    np.testing.assert_array_equal(first // 10, batch["picture"])
    np.testing.assert_array_equal(second // 10, batch["picture"])
    assert (first != second).all() and len({*first, *second}) == 7  # all that there are of points seen twice


def test_an_epoch_has_each_point_once_and_later_ones_are_not_valid():
    source = PatchSource(point_patches(), 0)
    assert len(source) == 3 and sorted(source.batch(range(3, 6))["point"]) == [2, 4, 9]
    batch = source.batch(range(5))
    assert batch["valid"].sum() == 3 and (batch["point"][~batch["valid"]] == -1).all()
    assert len(set(batch["point"][batch["valid"]])) == 3


def test_a_batch_is_that_of_its_numbers_and_key():
    whole, part = PatchSource(point_patches(), 5).batch(range(6)), PatchSource(point_patches(), 5).batch(range(3, 6))
    np.testing.assert_array_equal(whole["patches1"][3:], part["patches1"])
    other = PatchSource(point_patches(), 6).batch(range(6))
    assert not np.array_equal(whole["patches1"], other["patches1"])


def test_every_other_point_is_a_negative():
    batch = PatchSource(point_patches(), 0).batch(range(3))
    np.testing.assert_array_equal(negatives_in(batch, 10.0), ~np.eye(3, dtype=bool))


def test_a_set_of_points_seen_once_is_refused():
    once = PointPatches.of(np.zeros((2, 3, 3), np.uint8), np.arange(2), np.zeros(2, np.int64), ("liberty",))
    with pytest.raises(ValueError, match="liberty: no point has two patches"):
        PatchSource(once, 0)
