"""Warps of images, points and masks agree with each other, with float64 NumPy and with OpenCV; their traps."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
import tensorflow as tf

from superpoint_tf.config import HomographyConfig
from superpoint_tf.geometry import projective
from superpoint_tf.geometry.homography import sample_homographies
from superpoint_tf.geometry.masks import erode_mask, warp_valid_mask
from superpoint_tf.geometry.numpy_reference import warp_image_numpy, warp_points_numpy
from superpoint_tf.geometry.warp import warp_images, warp_points

SHAPE = (120, 160)
SHIFT_RIGHT_2 = np.array([[1.0, 0, 2], [0, 1, 0], [0, 0, 1]], np.float32)
GHOST = np.array([[1.0, 0, 0], [0, 1, 0], [-1 / 64, 0, 1]], np.float32)  # w = 0 at x = 64


@pytest.fixture(autouse=True, params=projective.DOORS)
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test through each door that can be had."""
    monkeypatch.setattr(projective, "transform_images", projective.DOORS[request.param])


def _texture(shape: tuple[int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """Return grey levels 0..255 with detail at every size, as uint8."""
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.normal(size=shape), (0, 0), sigma) * sigma for sigma in (1.0, 3.0, 9.0)]
    total = np.sum(layers, axis=0)
    return (255 * (total - total.min()) / np.ptp(total)).astype(np.uint8)


def _natural_picture() -> np.ndarray:
    """Return a photograph with a black coat before a bright sky, as uint8."""
    picture: np.ndarray = skimage.data.camera()[200:320, 100:260]
    return np.ascontiguousarray(picture)


def _homographies(count: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    seeds = tf.constant([(3, number) for number in range(count)])
    return sample_homographies(seeds, shape, HomographyConfig(max_angle_deg=180.0)).numpy()


def _warp(image: np.ndarray, homography: np.ndarray, **options: Any) -> np.ndarray:
    images = tf.constant(image, tf.float32)[None, ..., None]
    warped: np.ndarray = warp_images(images, tf.constant(homography)[None], **options).numpy()[0, ..., 0]
    return warped


def test_images_and_points_go_forward_although_the_op_underneath_goes_backward() -> None:
    image = np.zeros((5, 7))
    image[1, 2] = 1
    assert np.argwhere(_warp(image, SHIFT_RIGHT_2)).tolist() == [[1, 4]]
    assert warp_points(tf.constant([[2.0, 1.0]]), SHIFT_RIGHT_2).numpy().tolist() == [[4, 1]]
    assert np.argwhere(cv2.warpPerspective(image, SHIFT_RIGHT_2, (7, 5))).tolist() == [[1, 4]]


def test_images_agree_with_the_float64_reference_to_a_twentieth_of_a_grey_level() -> None:
    image = _texture()
    for homography in _homographies(8):
        error = np.abs(_warp(image, homography) - warp_image_numpy(image, homography))
        assert error.max() < 0.05


def test_images_agree_with_the_float64_reference_at_480x640() -> None:
    image = _texture((480, 640))
    for homography in _homographies(2, (480, 640)):
        assert np.abs(_warp(image, homography) - warp_image_numpy(image, homography)).max() < 0.05


@pytest.mark.parametrize(("image", "limit"), [(_texture(), 1.0), (_natural_picture(), 4.0)], ids=["smooth", "natural"])
def test_images_agree_with_opencv_to_one_level_on_average_and_to_four_at_the_hard_edges_of_natural_pictures(
    image: np.ndarray, limit: float
) -> None:
    # OpenCV rounds to 1/32 px: off by 1/64 px along x and y, so by up to 1/64 of the picture's steepest steps
    steepest = sum(float(np.abs(np.diff(image.astype(float), axis=axis)).max()) for axis in (0, 1))
    for homography in _homographies(8):
        opencv = cv2.warpPerspective(image.astype(np.float32), homography.astype(np.float64), SHAPE[::-1])
        error = np.abs(_warp(image, homography) - opencv)
        inside = warp_valid_mask(homography[None], SHAPE).numpy()[0]
        assert error.mean() < 1
        assert error[inside].max() < min(limit, steepest / 64 + 0.05)


def test_the_identity_changes_nothing() -> None:
    image = _texture()
    np.testing.assert_array_equal(_warp(image, np.eye(3)), image)
    assert warp_valid_mask(tf.eye(3)[None], SHAPE).numpy().all()


def test_a_bright_blob_lands_where_warp_points_says() -> None:
    ys, xs = np.mgrid[: SHAPE[0], : SHAPE[1]]
    blob = np.exp(-((xs - 83) ** 2 + (ys - 57) ** 2) / (2 * 1.5**2))
    for homography in _homographies(8):
        x, y = warp_points(tf.constant([[83.0, 57.0]]), homography).numpy()[0]
        warped = _warp(blob, homography)
        centroid = np.array([(warped * xs).sum(), (warped * ys).sum()]) / warped.sum()
        np.testing.assert_allclose(centroid, (x, y), atol=0.1)


def test_points_agree_with_the_float64_reference_to_a_hundredth_of_a_pixel() -> None:
    points = np.random.default_rng(0).uniform(0, (639, 479), (100, 2)).astype(np.float32)
    for homography in _homographies(8, (480, 640)):
        ours = warp_points(tf.constant(points), homography).numpy()
        np.testing.assert_allclose(ours, warp_points_numpy(points, homography), atol=0.01)
        opencv = cv2.perspectiveTransform(points[None].astype(np.float64), homography.astype(np.float64))[0]
        np.testing.assert_allclose(ours, opencv, atol=0.01)


def test_the_mask_is_the_warp_of_ones_away_from_its_edge() -> None:
    for homography in _homographies(8):
        ones = _warp(np.ones(SHAPE), homography)
        mask = warp_valid_mask(homography[None], SHAPE).numpy()[0]
        np.testing.assert_allclose(ones[mask], 1, atol=1e-3)
        outside = cv2.dilate(mask.astype(np.uint8), np.ones((7, 7))) == 0
        assert not ones[outside].any()


def test_a_valid_pixel_has_all_its_neighbours_in_the_picture() -> None:
    half = SHIFT_RIGHT_2.copy()
    half[0, 2] = 0.5
    mask = warp_valid_mask(half[None], (2, 4)).numpy()[0]
    assert mask.tolist() == [[False, True, True, True]] * 2


def test_points_behind_the_camera_are_nan() -> None:
    points = tf.constant([[48.0, 10.0], [64.0, 10.0], [80.0, 10.0]])  # w = 1/4, 0, -1/4
    warped = warp_points(points, GHOST).numpy()
    np.testing.assert_allclose(warped[0], (192, 40))
    assert np.isnan(warped[1:]).all()


def test_ghosts_from_behind_the_camera_are_masked_in_images_although_opencv_draws_them() -> None:
    image = np.full((20, 400), 255, np.float32)
    homography = np.array([[1.0, 0, 150], [0, 1, 10], [0, 0, 1]]) @ GHOST  # x > 64 would land left of x = 75
    ghosts = cv2.warpPerspective(image, homography, (400, 20))
    assert (ghosts[:, :75] > 0).any()
    warped = _warp(image, homography)
    mask = warp_valid_mask(homography[None], (20, 400)).numpy()[0]
    assert not warped[:, :149].any()
    assert not mask[:, :150].any()
    assert mask[:, 150:].any()
    np.testing.assert_allclose(warped, warp_image_numpy(image, homography), atol=0.05)


def test_masks_and_images_survive_an_output_corner_behind_the_camera() -> None:
    homography = np.linalg.inv(np.array([[1.0, 0, 10], [0, 1, 5], [0.05, 0, -1]]))  # w < 0 left of x = 20
    image = _texture((60, 80))
    reference = warp_image_numpy(image, homography, (60, 80))
    np.testing.assert_allclose(_warp(image, homography), reference, atol=0.3)  # w near 0 magnifies float32
    mask = warp_valid_mask(homography[None], (60, 80)).numpy()[0]
    assert not mask[:, :21].any()
    assert mask[:, 30:].any()
    assert not reference[:, :20].any()


def test_a_corner_exactly_on_the_horizon_gives_finite_pixels() -> None:
    homography = np.linalg.inv(np.array([[1.0, 0, 10], [0, 1, 5], [0.05, 0, 0]]))
    assert np.isfinite(_warp(_texture((60, 80)), homography)).all()


def test_erosion_never_removes_the_frames_own_edge() -> None:
    assert warp_valid_mask(tf.eye(3)[None], (12, 16), erosion_px=3).numpy().all()


def test_erosion_clears_a_square_around_an_invalid_pixel() -> None:
    mask = np.ones((1, 9, 9), bool)
    mask[0, 4, 3] = False
    expected = mask.copy()
    expected[0, 2:7, 1:6] = False
    np.testing.assert_array_equal(erode_mask(tf.constant(mask), 2), expected)
    np.testing.assert_array_equal(erode_mask(tf.constant(mask), 0), mask)


def test_an_eroded_mask_is_the_mask_eroded_by_opencv() -> None:
    homography = _homographies(3)[2]
    mask = warp_valid_mask(homography[None], SHAPE).numpy()[0]
    eroded = warp_valid_mask(homography[None], SHAPE, erosion_px=3).numpy()[0]
    np.testing.assert_array_equal(eroded, cv2.erode(mask.astype(np.uint8), np.ones((7, 7))) == 1)


def test_the_output_may_have_another_shape_and_several_channels() -> None:
    images = tf.random.stateless_uniform((2, 5, 7, 3), (0, 1))
    homographies = tf.stack([tf.eye(3), tf.constant(SHIFT_RIGHT_2)])
    warped = warp_images(images, homographies, output_shape=(4, 9)).numpy()
    assert warped.shape == (2, 4, 9, 3)
    np.testing.assert_array_equal(warped[0, :, :7], images[0, :4])
    np.testing.assert_array_equal(warped[1, :, 2:], images[1, :4])
    mask = warp_valid_mask(homographies, (5, 7), output_shape=(4, 9)).numpy()
    assert mask[0, :, :7].all()
    assert not mask[0, :, 7:].any()
    assert not mask[1, :, :2].any()


def test_nearest_makes_no_new_values() -> None:
    image = _texture()
    assert set(np.unique(_warp(image, _homographies(1)[0], interpolation="nearest"))) <= set(range(256))


def test_each_image_of_a_batch_gets_its_own_homography() -> None:
    image, homographies = _texture(), _homographies(3)
    images = np.repeat(image[None, ..., None], 3, 0).astype(np.float32)
    batch = warp_images(images, homographies).numpy()
    for warped, homography in zip(batch, homographies, strict=True):
        np.testing.assert_array_equal(warped[..., 0], _warp(image, homography))


def test_warps_are_the_same_eagerly_and_inside_a_dataset() -> None:
    images = np.repeat(_texture()[None, ..., None], 2, 0).astype(np.float32)
    homographies = _homographies(2)

    def everything(images: tf.Tensor, homographies: tf.Tensor) -> tuple[tf.Tensor, ...]:
        points = warp_points(tf.constant([[3.0, 4.0]]), homographies)
        return warp_images(images, homographies), warp_valid_mask(homographies, SHAPE, erosion_px=1), points

    dataset = tf.data.Dataset.from_tensor_slices((images, homographies)).batch(2).map(everything)
    for eager, mapped in zip(everything(images, homographies), next(iter(dataset)), strict=True):
        np.testing.assert_array_equal(eager, mapped)
    assert dataset.element_spec[0].shape.as_list() == [None, *SHAPE, 1]


def test_points_broadcast_over_leading_shapes_and_nan_rows_stay_nan() -> None:
    points = tf.constant([[[1.0, 1.0], [np.nan, np.nan]]])
    homographies = tf.stack([tf.eye(3), tf.constant(SHIFT_RIGHT_2)])
    warped = warp_points(points, homographies).numpy()
    assert warped.shape == (2, 2, 2)
    assert warped.dtype == np.float32
    assert warped[:, 0].tolist() == [[1, 1], [3, 1]]
    assert np.isnan(warped[:, 1]).all()
    assert warp_points(tf.zeros((2, 0, 2)), homographies).shape == (2, 0, 2)


def test_an_unknown_interpolation_is_named_with_its_remedy() -> None:
    with pytest.raises(ValueError, match=r"'cubic'.*'bilinear' or 'nearest'"):
        warp_images(tf.zeros((1, 2, 2, 1)), tf.eye(3)[None], interpolation="cubic")
