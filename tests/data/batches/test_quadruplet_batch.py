"""Quadruplets for LIFT: keypoints near the middle of upright patches, and patches without one there."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import HomographyConfig
from superpoint_tf.data.batches.patch_batch import PatchSettings
from superpoint_tf.data.batches.quadruplet_batch import QuadrupletSettings, quadruplet_batch
from superpoint_tf.data.views import ViewSettings

SHAPE = (96, 128)
STILL = HomographyConfig(1.0, 0.0, 0.0, 0.0, 0.0, max_angle_deg=0.0, valid_border_px=0)
HALF_SIDE = 12.0  # sigma is one pixel
PATCHES = PatchSettings(ViewSettings(STILL), 24, 6, HALF_SIDE, 0.0, "size", subsamples=1)


def batch_of(*keypoints: tuple[float, float], angle: float = 0.0) -> dict[str, tf.Tensor]:
    """Return one picture that is as bright as its pixel's distance to the nearest keypoint, up to 10 px."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    points = np.array(keypoints, np.float32).reshape(-1, 2)
    near = np.min([np.hypot(x - px, y - py) for px, py in points] or [np.full(SHAPE, 99.0)], axis=0)
    picture = np.minimum(20 * near, 200).astype(np.uint8)[np.newaxis]
    frames = np.tile(np.array([[HALF_SIDE, angle]], np.float32), (len(points), 1))
    arrays = {"numbers": np.array([4]), "images": picture, "images1": picture}
    return {name: tf.constant(each) for name, each in arrays.items()} | {
        "keypoints": tf.constant(points[np.newaxis]),
        "frames": tf.constant(frames[np.newaxis]),
    }


def cut(*keypoints: tuple[float, float], clearance: float = 6.0, angle: float = 0.0, **changes: Any) -> dict[str, Any]:
    settings = QuadrupletSettings(dataclasses.replace(PATCHES, **changes), clearance)
    return {
        name: value.numpy() for name, value in quadruplet_batch(batch_of(*keypoints, angle=angle), 1, settings).items()
    }


def test_the_middle_of_an_empty_patch_is_farther_from_all_keypoints_than_the_clearance() -> None:
    found = cut((40.0, 40.0), (70.0, 50.0))
    assert found["valid_empty"].all()
    middles = 255 * found["patches_empty"][:, 11:13, 11:13].mean((1, 2, 3))
    assert (middles > 20 * 5).all()  # 6 sigmas, less a pixel for the mean over four
    everywhere = cut((40.0, 40.0), (70.0, 50.0), clearance=0.5)
    assert (255 * everywhere["patches_empty"][:, 11:13, 11:13].mean((1, 2, 3))).min() <= middles.min()


def test_a_picture_full_of_keypoints_has_no_empty_patch_and_one_without_any_has_only_these() -> None:
    crowded = [(float(x), float(y)) for y in range(0, 96, 5) for x in range(0, 128, 5)]
    found = cut(*crowded)
    assert not found["valid_empty"].any() and found["valid"].all() and np.isfinite(found["patches_empty"]).all()
    none = cut(half_side_px=HALF_SIDE)
    assert none["valid_empty"].all() and not none["valid"].any()


def test_patches_are_upright_whatever_the_angle_of_their_keypoint() -> None:
    upright, turned = cut((40.0, 40.0), (60.0, 45.0)), cut((40.0, 40.0), (60.0, 45.0), angle=1.0)
    np.testing.assert_allclose(turned["patches0"], upright["patches0"], atol=1e-5)


def test_patches_are_upright_in_both_views_where_one_is_turned() -> None:
    turning = ViewSettings(dataclasses.replace(STILL, max_angle_deg=180.0))
    found = cut((64.0, 48.0), (70.0, 48.0), views=turning)
    # the second keypoint is right of the first in view 0, and where the turn puts it in view 1
    darkest = [np.unravel_index(np.argmin(patch[..., 0]), (24, 24)) for patch in found["patches0"][found["valid"]]]
    assert all(abs(row - 11.5) < 2 for row, _ in darkest)
    assert not np.allclose(found["patches1"], found["patches0"], atol=0.1)


def test_shifted_patches_have_their_keypoint_off_the_middle_but_not_farther_than_asked_for() -> None:
    found = cut((64.0, 48.0), shift=0.4)
    rows = found["valid"]
    for name in ("patches0", "patches1"):
        place = np.array(np.unravel_index(np.argmin(found[name][rows][0, ..., 0]), (24, 24)))
        assert 0.6 < np.abs(place - 11.5).max() <= 0.4 * HALF_SIDE + 1
    still = cut((64.0, 48.0))
    place = np.array(np.unravel_index(np.argmin(still["patches0"][0, ..., 0]), (24, 24)))
    assert np.abs(place - 11.5).max() <= 1


def test_samples_are_functions_of_their_number_and_of_the_key() -> None:
    points = (40.0, 40.0), (70.0, 50.0)
    first, again = cut(*points, shift=0.2), cut(*points, shift=0.2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    settings = QuadrupletSettings(dataclasses.replace(PATCHES, shift=0.2))
    other = quadruplet_batch(batch_of(*points), 2, settings)["patches_empty"]
    assert not np.allclose(other, first["patches_empty"])


def test_without_a_clearance_there_are_no_empty_patches() -> None:
    assert "patches_empty" not in cut((40.0, 40.0), clearance=0.0)


def test_absent_keypoints_are_not_near_anything() -> None:
    absent = (math.nan, math.nan)
    batch = batch_of((40.0, 40.0))
    padded = batch | {
        "keypoints": tf.constant([[(40.0, 40.0), absent]], tf.float32),
        "frames": tf.constant([[(HALF_SIDE, 0.0), absent]], tf.float32),
    }
    alone, both = (quadruplet_batch(each, 1, QuadrupletSettings(PATCHES)) for each in (batch, padded))
    np.testing.assert_array_equal(alone["patches_empty"], both["patches_empty"])
    assert both["valid_empty"].numpy().all()


@pytest.mark.parametrize("shape", [(1, 40), (40, 1)])
def test_pictures_of_one_row_give_rows_that_do_not_count(shape: tuple[int, int]) -> None:
    batch = batch_of((10.0, 0.0)) | {name: tf.zeros((1, *shape), tf.uint8) for name in ("images", "images1")}
    found = quadruplet_batch(batch, 1, QuadrupletSettings(PATCHES))
    assert not found["valid"].numpy().any() and not found["valid_empty"].numpy().any()
    assert np.isfinite(found["patches0"].numpy()).all()
