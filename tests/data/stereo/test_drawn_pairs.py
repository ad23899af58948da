"""Drawn pairs: what is true of each, and that they are functions of key and number."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from superpoint_tf.config import PhotometricConfig
from superpoint_tf.data.stereo.drawn_disparities import draw_surfaces
from superpoint_tf.data.stereo.drawn_pairs import draw_pair
from superpoint_tf.data.stereo.stereo_pair import StereoPair

SHAPE = (48, 64)
PLAIN = PhotometricConfig(enabled=False)


def photograph(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16), np.uint8)
    return np.asarray(cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))


def drawn(number: int, photometric: PhotometricConfig = PLAIN, key: int = 5) -> StereoPair:
    return draw_pair(photograph(0), photograph(1), SHAPE, 12.0, photometric, key, number)


@pytest.mark.parametrize("number", range(6))
def test_a_visible_point_has_the_same_grey_level_at_its_place_in_the_right_picture(number: int) -> None:
    pair = drawn(number)
    assert pair.occluded is not None and pair.left.shape == pair.right.shape == pair.disparity.shape == SHAPE
    x, y = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(48, dtype=np.float32))
    back = cv2.remap(pair.right, x - pair.disparity, y, cv2.INTER_LINEAR).astype(float)
    differences = np.abs(back - pair.left)[~pair.occluded]
    assert np.median(differences) <= 2 and (differences <= 8).mean() > 0.85
    assert pair.disparity.min() >= 0 and pair.disparity.max() <= 12
    assert np.isnan(pair.visible_disparity).sum() == pair.occluded.sum() > 0


def test_a_pair_is_a_function_of_key_and_number_and_photometric_changes_move_nothing() -> None:
    changed = PhotometricConfig()
    for again, other in ((drawn(3), drawn(4)), (drawn(3, changed), drawn(3, changed, key=6))):
        first = drawn(3, changed) if (again.left != drawn(3).left).any() else drawn(3)
        assert all((a == b).all() for a, b in zip(first, again, strict=True))
        assert (first.disparity != other.disparity).any()
    assert (drawn(3, changed).disparity == drawn(3).disparity).all()
    left_to_the_batch = changed.backend == "graph"
    assert (drawn(3, changed).left == drawn(3).left).all() == left_to_the_batch


def test_surfaces_are_smooth_within_a_segment_and_stay_in_range() -> None:
    for seed in range(5):
        surfaces = draw_surfaces(photograph(seed)[:60, :80], 20.0, np.random.default_rng(seed))
        steps = np.abs(np.diff(surfaces.disparity, axis=1))
        within = np.diff(surfaces.segments, axis=1) == 0
        assert steps[within].max() < 1.0
        assert surfaces.disparity.min() >= 0 and surfaces.disparity.max() <= 20
        assert set(np.unique(surfaces.segments)) == set(range(int(surfaces.segments.max()) + 1))


def test_a_flat_picture_has_surfaces_too() -> None:
    for seed in range(4):
        assert np.isfinite(
            draw_surfaces(np.full((40, 50), 7, np.uint8), 9.0, np.random.default_rng(seed)).disparity
        ).all()
