"""Stitching: two crops give the picture they were cut from, and a homography that explodes is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from superpoint_tf.using import panorama
from superpoint_tf.using.panorama import PanoramaTooLarge, stitch


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    return cv2.resize(noise, (200, 120), interpolation=cv2.INTER_CUBIC)


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("strip", [4_000_000, 1_000])
def test_two_overlapping_crops_give_their_picture_and_black_where_neither_is(
    scene: np.ndarray, monkeypatch: pytest.MonkeyPatch, strip: int
):
    monkeypatch.setattr(panorama, "_STRIP_PIXELS", strip)
    left, right = scene[20:, :130], scene[:100, 80:]
    found = stitch(left, right, shift(-80, 20))  # a pixel of the left crop is 80 further left in the right one
    expected = scene.copy()
    expected[:20, :80] = expected[100:, 130:] = 0
    assert found.shape == scene.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_picture_to_the_left_and_above_moves_the_canvas(scene: np.ndarray):
    found = stitch(scene[50:, 60:], scene[:80, :100], shift(60, 50))
    assert found.shape == scene.shape
    assert np.abs(found[:80, :100].astype(int) - scene[:80, :100]).max() <= 1


@pytest.mark.parametrize(
    ("homography", "words"),
    [
        (np.diag([0.01, 0.01, 1.0]), r"2000.x1200. pixels, more than \d+"),
        (np.array([[1, 0, 0], [0, 1, 0], [0.006, 0, 1.0]]), "behind the camera"),
    ],
)
def test_a_homography_that_explodes_is_refused(scene: np.ndarray, homography: np.ndarray, words: str):
    with pytest.raises(PanoramaTooLarge, match=words):
        stitch(scene, scene, homography)
