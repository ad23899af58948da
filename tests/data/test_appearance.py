"""Changed appearance: what each change does to a picture, and that it is a function of key and number."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from superpoint_tf.data.appearance import CHANGES, change_appearance, edges, inverted_contrast, monotone_tone, palette


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 255, (40, 60)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3.0), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_keeps_shape_and_type_and_uses_its_generator_alone(picture, name):
    first, again = (CHANGES[name](picture, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == picture.shape and first.dtype == np.uint8 and first.std() > 1


def test_monotone_tone_keeps_or_turns_the_order_of_grey_levels(picture):
    for seed in range(8):
        changed = monotone_tone(picture, np.random.default_rng(seed)).ravel().astype(int)
        steps = np.diff(changed[np.argsort(picture.ravel(), kind="stable")])
        assert (steps >= 0).all() or (steps <= 0).all()


def test_a_palette_changes_the_order_of_grey_levels_for_some_seed(picture):
    changed = palette(picture, np.random.default_rng(0)).ravel().astype(int)
    steps = np.diff(changed[np.argsort(picture.ravel(), kind="stable")])
    assert (steps > 0).any() and (steps < 0).any()


def test_inverted_contrast_turns_what_differs_from_the_local_mean(picture):
    changed = inverted_contrast(picture, np.random.default_rng(0)).astype(float)
    mean = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 10.0)
    assert np.corrcoef((picture - mean).ravel(), (changed - mean).ravel())[0, 1] < -0.5


def test_edges_of_a_flat_picture_are_none():
    flat = edges(np.full((20, 30), 90, np.uint8), np.random.default_rng(0))
    assert len(np.unique(flat)) == 1


def test_the_appearance_of_a_sample_is_a_function_of_key_and_number(picture):
    first = change_appearance(picture, 1, 2)
    np.testing.assert_array_equal(first, change_appearance(picture, 1, 2))
    assert any((first != change_appearance(picture, 1, number)).any() for number in range(3, 8))
