"""All steps together on a pair whose answer is known."""

from __future__ import annotations

import numpy as np

from superpoint_tf.stereo.costs import absolute_differences
from superpoint_tf.stereo.postprocessing import PostProcessing, postprocess
from superpoint_tf.stereo.semiglobal import Penalties

SETTINGS = PostProcessing(Penalties(0.05, 0.5), sigma_px=1.0)


def test_a_square_in_front_of_a_wall_is_found_and_what_it_hides_is_filled_with_the_wall() -> None:
    generator = np.random.default_rng(0)
    wall, square = generator.integers(0, 256, (40, 70), np.uint8), generator.integers(0, 256, (16, 20), np.uint8)
    left, right = wall[:, :60].copy(), wall[:, 3:63].copy()  # the wall at 3, the square at 9 pixels
    left[12:28, 30:50], right[12:28, 21:41] = square, square
    volume = absolute_differences(left, right, 16) / 255.0
    grey = [(picture / 255.0 - 0.5) / 0.29 for picture in (left, right)]
    found = postprocess(volume, grey[0], grey[1], SETTINGS)
    truth = np.full((40, 60), 3.0)
    truth[12:28, 30:50] = 9.0
    assert np.isfinite(found.agreed).mean() == found.agreement and np.isnan(found.agreed[14:26, 24:28]).mean() > 0.7
    wrong = np.abs(found.disparity - truth) > 0.5
    assert wrong[:, 3:].mean() < 0.02 and found.agreement > 0.8
    assert wrong[14:26, 24:28].mean() < 0.15  # hidden behind the square in the right picture


def test_sides_of_one_pixel_are_answered() -> None:
    for shape in ((1, 1), (1, 6), (5, 1)):
        found = postprocess(np.zeros((3, *shape), np.float32), np.zeros(shape), np.zeros(shape), SETTINGS)
        assert found.disparity.shape == shape and np.isfinite(found.disparity).all()
