"""Classical extractors and blind controls: what they return, and that controls see nothing."""

import numpy as np
import pytest

from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.evaluation.methods.controls import CONTROLS, grid, position, random_points
from superpoint_tf.evaluation.methods.opencv_algorithms import rows_here

METHODS = {**{name: CLASSICAL[name] for name in rows_here(CLASSICAL)}, **CONTROLS}
DETECTORS = {"FAST", "Harris", "Shi-Tomasi", "grid (control)"}


@pytest.fixture(scope="module")
def squares() -> np.ndarray:
    generator = np.random.default_rng(0)
    image = np.kron(generator.integers(20, 236, (12, 16)), np.ones((20, 20)))
    return (image + generator.integers(0, 4, image.shape)).astype(np.uint8)  # OpenCV's FAST drops pixels that tie


@pytest.mark.parametrize("name", METHODS)
def test_features_are_strongest_first_and_inside_the_image(name, squares):
    features = METHODS[name](squares)
    number = len(features.keypoints)
    assert number > 20
    assert features.keypoints.shape == (number, 2) and features.keypoints.dtype == np.float32
    assert features.scores.shape == (number,) and (np.diff(features.scores) <= 0).all()
    assert (features.keypoints >= 0).all() and (features.keypoints <= [319, 239]).all()
    assert (features.descriptors is None) == (name in DETECTORS)
    assert features.descriptors is None or len(features.descriptors) == number


@pytest.mark.parametrize("name", rows_here(CLASSICAL))
def test_a_flat_image_gives_no_keypoints_and_empty_descriptors(name):
    features = CLASSICAL[name](np.full((240, 320), 100, np.uint8))
    assert features.keypoints.shape == (0, 2) and features.scores.shape == (0,)
    assert features.descriptors is None or (features.descriptors.ndim, len(features.descriptors)) == (2, 0)


@pytest.mark.parametrize("name", ["FAST", "Harris", "Shi-Tomasi"])
def test_keypoints_are_xy_with_the_top_left_pixel_at_zero(name):
    image = np.random.default_rng(0).integers(0, 20, (80, 120)).astype(np.uint8)
    image[20:60, 30:90] += 200  # corners at (29.5, 19.5), (89.5, 19.5), (29.5, 59.5), (89.5, 59.5)
    keypoints = CLASSICAL[name](image).keypoints
    for corner in [(29.5, 19.5), (89.5, 19.5), (29.5, 59.5), (89.5, 59.5)]:
        assert np.linalg.norm(keypoints - corner, axis=1).min() < 3


@pytest.mark.parametrize("name", rows_here(["ORB", "AKAZE"]))
def test_binary_descriptors_stay_bytes(name, squares):
    assert CLASSICAL[name](squares).descriptors.dtype == np.uint8


def test_root_sift_has_unit_length(squares):
    np.testing.assert_allclose(np.linalg.norm(CLASSICAL["RootSIFT"](squares).descriptors, axis=1), 1, atol=1e-5)


def test_the_grid_is_the_same_whatever_the_image_shows(squares):
    for control in (grid, position):
        features0, features1 = control(squares), control(255 - squares)
        for a, b in zip(features0, features1, strict=True):
            np.testing.assert_array_equal(a, b)


def test_random_points_repeat_for_the_same_image_and_differ_for_another(squares):
    np.testing.assert_array_equal(random_points(squares).keypoints, random_points(squares.copy()).keypoints)
    assert not np.array_equal(random_points(squares).keypoints, random_points(squares + 1).keypoints)
