"""Batches of stereo patches against NumPy written from the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import StereoChanges
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.stereo_batch import StereoSettings, stereo_batch

SIDE = 3
NONE = StereoChanges(
    max_angle_deg=0.0,
    scale_x=(1.0, 1.0),
    max_shear_x=0.0,
    max_brightness=0.0,
    max_contrast=1.0,
    right_max_brightness=0.0,
)
EXACT = StereoSettings(SIDE, 16, 0.0, (4.0, 4.0), NONE)


def pictures(seed: int = 0) -> TensorBatch:
    """Return two pairs of a plane at 2 pixels; of the first one row alone is known, of the second nothing."""
    levels = np.random.default_rng(seed).integers(0, 256, (2, 12, 30), np.uint8)
    disparity = np.full((2, 12, 28), np.nan, np.float32)
    disparity[0, 6, 8:20] = 2.0
    return {
        "numbers": tf.constant([4, 9], tf.int64),
        "images0": tf.constant(levels[:, :, :28]),
        "images1": tf.constant(levels[:, :, 2:]),
        "disparity": tf.constant(disparity),
    }


def bilinear(picture: np.ndarray, x: float, y: float) -> float:
    x, y = min(max(x, 0.0), picture.shape[1] - 1.0), min(max(y, 0.0), picture.shape[0] - 1.0)
    x0, y0 = min(int(x), picture.shape[1] - 2), min(int(y), picture.shape[0] - 2)
    u, v = x - x0, y - y0
    upper = (1 - u) * picture[y0, x0] + u * picture[y0, x0 + 1]
    lower = (1 - u) * picture[y0 + 1, x0] + u * picture[y0 + 1, x0 + 1]
    return float((1 - v) * upper + v * lower)


def standard(picture: np.ndarray) -> np.ndarray:
    unit = picture.astype(np.float64) / 255.0
    return (unit - unit.mean()) / unit.std()


def test_patches_are_those_of_known_points_and_of_their_places_in_the_right_picture() -> None:
    batch, found = pictures(), stereo_batch(pictures(), 3, EXACT)
    assert found["left"].shape == (32, SIDE, SIDE, 1) and found["valid"].numpy().tolist() == [True] * 16 + [False] * 16
    left, right = (standard(batch[name][0].numpy()) for name in ("images0", "images1"))
    seen = set()
    for patch, positive, negative in zip(
        *(found[n].numpy()[:16, ..., 0] for n in ("left", "positive", "negative")), strict=True
    ):
        places = [x for x in range(8, 20) if np.allclose(left[5:8, x - 1 : x + 2], patch, atol=1e-4)]
        assert len(places) == 1
        seen.update(places)
        x = places[0] - 2
        np.testing.assert_allclose(positive, right[5:8, x - 1 : x + 2], atol=1e-4)
        wrong = [right[5:8, x + d - 1 : x + d + 2] for d in (-4, 4)]
        assert any(np.allclose(negative, each, atol=1e-4) for each in wrong)
    assert len(seen) > 5


def test_ranges_of_the_right_patches_are_kept() -> None:
    batch = pictures()
    ramp = tf.constant(np.tile(np.arange(28, dtype=np.uint8) * 9, (2, 12, 1)))
    batch |= {"images0": ramp, "images1": ramp}
    settings = StereoSettings(1, 512, 0.5, (1.5, 6.0), NONE)
    found = stereo_batch(batch, 0, settings)
    step = float(np.diff(standard(ramp[0].numpy())[0])[0])
    left, positive, negative = (
        found[name].numpy()[:512].reshape(-1) / step for name in ("left", "positive", "negative")
    )
    off, wrong = positive - left + 2.0, negative - left + 2.0
    assert np.abs(off).max() <= 0.501 and np.abs(off).max() > 0.45 and abs(off.mean()) < 0.05
    assert np.abs(wrong).min() >= 1.499 and np.abs(wrong).max() <= 6.001 and 0.4 < (wrong > 0).mean() < 0.6


def test_a_patch_is_turned_sheared_scaled_and_lit() -> None:
    changes = StereoChanges(
        max_angle_deg=0.0, scale=(2.0, 2.0), scale_x=(0.5, 0.5), max_shear_x=0.0, max_brightness=0.0, max_contrast=1.0,
        right_max_brightness=0.0, right_scale_x=(3.0, 3.0),
    )  # fmt: skip
    batch, found = pictures(), stereo_batch(pictures(), 3, StereoSettings(SIDE, 16, 0.0, (4.0, 4.0), changes))
    left, right = (standard(batch[name][0].numpy()) for name in ("images0", "images1"))
    patch, positive = (found[name].numpy()[0, ..., 0] for name in ("left", "positive"))

    def cut(picture: np.ndarray, x: int, across: float) -> np.ndarray:
        rows = [[bilinear(picture, x + across * u, 6 + 2.0 * v) for u in (-1, 0, 1)] for v in (-1, 0, 1)]
        return np.array(rows)

    places = [x for x in range(8, 20) if np.allclose(cut(left, x, 1.0), patch, atol=1e-4)]
    assert len(places) == 1
    np.testing.assert_allclose(positive, cut(right, places[0] - 2, 3.0), atol=1e-4)


def test_contrast_and_brightness_are_an_affine_map_of_each_patch() -> None:
    lit = StereoSettings(
        SIDE,
        16,
        0.0,
        (4.0, 4.0),
        StereoChanges(0.0, (1.0, 1.0), (1.0, 1.0), 0.0, max_brightness=0.7, max_contrast=1.3, right_max_brightness=0.3),
    )
    plain, changed = stereo_batch(pictures(), 3, EXACT), stereo_batch(pictures(), 3, lit)
    for before, after, right_before, right_after in zip(
        *(each[name].numpy()[:16].reshape(16, -1) for name in ("left", "positive") for each in (plain, changed)),
        strict=True,
    ):
        gain, offset = np.polyfit(before, after, 1)
        right_gain, right_offset = np.polyfit(right_before, right_after, 1)
        assert 1 / 1.3 - 1e-3 <= gain <= 1.301 and abs(offset) <= 0.701
        assert right_gain == pytest.approx(gain, abs=1e-3) and abs(right_offset - offset) <= 0.301


def test_a_sample_is_the_same_in_any_batch_and_another_key_gives_others() -> None:
    both = stereo_batch(pictures(), 3, EXACT)
    alone = stereo_batch({name: value[:1] for name, value in pictures().items()}, 3, EXACT)
    np.testing.assert_array_equal(both["left"].numpy()[:16], alone["left"].numpy())
    assert (stereo_batch(pictures(), 4, EXACT)["left"].numpy() != both["left"].numpy()).any()


def test_flat_pictures_and_points_at_the_frame_give_finite_patches() -> None:
    batch = pictures()
    flat = tf.zeros((2, 12, 28), tf.uint8)
    disparity = tf.constant(
        np.where(np.arange(28) == 0, 25.0, np.nan).astype(np.float32) * np.ones((2, 12, 1), np.float32)
    )
    found = stereo_batch({**batch, "images0": flat, "images1": flat, "disparity": disparity}, 0, EXACT)
    assert all(np.isfinite(found[name].numpy()).all() for name in ("left", "positive", "negative"))
    assert found["valid"].numpy().all() and math.isfinite(float(found["left"].numpy().sum()))
