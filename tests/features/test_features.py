"""Features as a user meets them: printed, and drawn on the picture they are of."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from superpoint_tf import Features

KEYPOINTS = np.array([[20.0, 10.0], [40.5, 30.0]], np.float32)
SCORES = np.array([0.9, 0.015], np.float32)


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (
            Features(KEYPOINTS, SCORES, np.zeros((2, 256), np.float32)),
            "Features(2 keypoints, scores 0.015 to 0.9, descriptors of 256 numbers)",
        ),
        (
            Features(KEYPOINTS, SCORES, np.zeros((2, 32), np.uint8), SCORES, SCORES),
            "Features(2 keypoints, scores 0.015 to 0.9, descriptors of 256 bits, sizes and angles_deg)",
        ),
        (Features(KEYPOINTS[:0], SCORES[:0]), "Features(0 keypoints, no descriptors)"),
    ],
)
def test_features_say_how_many_they_are_and_of_what(features: Features, text: str):
    assert repr(features) == text


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float"])
def test_keypoints_are_drawn_on_the_picture_that_they_were_found_in(kind: str):
    picture = data.astronaut()[:48, :64]
    given = {"uint8": picture, "uint16": picture.astype(np.uint16) * 257, "float": picture / 255.0}[kind]
    before = given.copy()
    drawn = Features(KEYPOINTS, SCORES).draw(given)
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    red, green, blue = drawn[10, 20].astype(int)
    assert red > 200 and green > 150 and blue < 100  # yellow, in RGB as the picture is
    far = np.ones(picture.shape[:2], bool)
    for x, y in KEYPOINTS.astype(int):
        far[y - 6 : y + 7, x - 6 : x + 7] = False
    assert (drawn[far] == picture[far]).all() and (drawn[~far] != picture[~far]).any()
    assert (given == before).all()


def test_a_grey_picture_becomes_one_in_colours_and_may_be_enlarged():
    grey = np.full((48, 64), 90, np.uint8)
    drawn = Features(KEYPOINTS, SCORES).draw(grey, scale=2)
    assert drawn.shape == (96, 128, 3) and (drawn[0, 0] == 90).all()
    assert (drawn[20, 40] != 90).any() and (drawn[20, 128 - 40] == 90).all()


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="cannot be drawn on"):
        Features(KEYPOINTS, SCORES).draw(np.zeros((4, 4, 7), np.uint8))
