"""The NumPy warps by hand-checkable cases; resizes and crops as homographies with their half-pixel terms."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.numpy_reference import (
    cover_and_crop_frame,
    resize_crop_homography,
    warp_image_numpy,
    warp_points_numpy,
)


def _ramp(height: int, width: int) -> np.ndarray:
    """Return an image whose two channels are x and y: a resized pixel tells where it comes from."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def test_numpy_names_need_no_tensorflow() -> None:
    code = "import sys; from superpoint_tf.geometry import warp_points_numpy; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_loads() -> None:
    from superpoint_tf import geometry

    assert all(callable(getattr(geometry, name)) for name in dir(geometry))
    with pytest.raises(AttributeError, match="warp_everything"):
        geometry.warp_everything  # noqa: B018


def test_half_a_pixel_is_the_mean_of_two_neighbours() -> None:
    half = np.array([[1, 0, 0.5], [0, 1, 0], [0, 0, 1]])
    assert warp_image_numpy(np.array([[0, 10, 20]]), half).tolist() == [[0, 5, 15]]


def test_points_behind_the_camera_are_nan_in_numpy_too() -> None:
    warped = warp_points_numpy(np.array([[0.0, 1], [5, 1], [20, 1]]), np.array([[1.0, 0, 0], [0, 1, 0], [-0.1, 0, 1]]))
    np.testing.assert_allclose(warped, [(0, 1), (10, 2), (np.nan, np.nan)])
    assert warp_points_numpy(np.zeros((0, 2)), np.eye(3)).shape == (0, 2)


@pytest.mark.parametrize("scale", [2, 0.5])
def test_a_resize_is_not_the_homography_diag_s_s_1(scale: float) -> None:
    original = _ramp(16, 24)
    size = (int(24 * scale), int(16 * scale))
    by_opencv = cv2.resize(original, size, interpolation=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA)
    by_tensorflow = tf.image.resize(original, size[::-1], antialias=False).numpy()
    homography = resize_crop_homography((16, 24), size[::-1])
    points = np.array([[4.0, 5.0], [11.0, 9.0]])
    expected = (points + 0.5) * scale - 0.5  # the half-pixel rule
    np.testing.assert_allclose(warp_points_numpy(points, homography), expected)
    inner = (slice(2, -2), slice(2, -2))
    ys, xs = np.mgrid[: size[1], : size[0]]
    source = warp_points_numpy(np.column_stack([xs.ravel(), ys.ravel()]), np.linalg.inv(homography))
    source = source.reshape(size[1], size[0], 2)
    np.testing.assert_allclose(by_opencv[inner], source[inner], atol=1e-5)
    np.testing.assert_allclose(by_tensorflow[inner], source[inner], atol=1e-5)
    naive = np.stack([xs, ys], axis=-1) / scale
    assert np.abs(by_opencv - naive)[inner].min() > 0.2


@pytest.mark.parametrize(
    ("original", "target", "resized", "corner"),
    [
        ((480, 640), (240, 320), (240, 320), (0, 0)),
        ((400, 640), (240, 320), (240, 384), (0, 32)),
        ((333, 500), (240, 320), (240, 360), (0, 20)),
        ((100, 100), (240, 320), (320, 320), (40, 0)),
        ((7, 3000), (240, 320), (240, 102857), (0, 51268)),
    ],
)
def test_scale_to_cover_then_crop_the_centre(
    original: tuple[int, int], target: tuple[int, int], resized: tuple[int, int], corner: tuple[int, int]
) -> None:
    assert cover_and_crop_frame(original, target) == (resized, corner)


def test_the_cropped_map_tells_where_each_pixel_comes_from() -> None:
    original, target = (50, 90), (24, 32)
    (height, width), (top, left) = cover_and_crop_frame(original, target)
    resized = cv2.resize(_ramp(*original), (width, height), interpolation=cv2.INTER_LINEAR)
    cropped = resized[top : top + target[0], left : left + target[1]]
    there = warp_points_numpy(cropped.reshape(-1, 2), resize_crop_homography(original, target))
    back = _ramp(*target).reshape(-1, 2)
    inner = np.all((back > 0) & (back < (target[1] - 1, target[0] - 1)), axis=1)
    np.testing.assert_allclose(there[inner], back[inner], atol=1e-3)


def test_a_full_size_homography_becomes_t_k_h_t_1_inverse_after_cover_and_crop() -> None:
    """HPatches gives H_1_k at full size; each picture is scaled and cropped in its own way."""
    shape_1, shape_k, target = (300, 500), (500, 420), (120, 160)
    h_1_to_k = np.array([[0.8, 0.1, 10], [-0.05, 1.1, 30], [1e-4, 5e-5, 1]])
    t_1, t_k = resize_crop_homography(shape_1, target), resize_crop_homography(shape_k, target)
    adapted = t_k @ h_1_to_k @ np.linalg.inv(t_1)
    blob = np.array([260.0, 160.0])
    ys, xs = np.mgrid[: shape_1[0], : shape_1[1]]
    picture_1 = np.exp(-((xs - blob[0]) ** 2 + (ys - blob[1]) ** 2) / (2 * 8.0**2))
    picture_k = warp_image_numpy(picture_1, h_1_to_k, shape_k)
    centroid_1, centroid_k = (_centroid(_cover(p, target)) for p in (picture_1, picture_k))
    np.testing.assert_allclose(warp_points_numpy(centroid_1, adapted)[0], centroid_k, atol=0.1)
    assert np.abs(warp_points_numpy(centroid_1, h_1_to_k)[0] - centroid_k).max() > 10


def _cover(picture: np.ndarray, target: tuple[int, int]) -> np.ndarray:
    (height, width), (top, left) = cover_and_crop_frame((picture.shape[0], picture.shape[1]), target)
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return resized[top : top + target[0], left : left + target[1]]


def _centroid(picture: np.ndarray) -> np.ndarray:
    ys, xs = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(picture * xs).sum(), (picture * ys).sum()]) / picture.sum()
