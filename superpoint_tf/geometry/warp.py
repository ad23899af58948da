"""Warps of points and images by a homography: both go forward, from view 0 to view 1, and agree."""

from __future__ import annotations

import tensorflow as tf

from . import projective
from .homography import exact_inverse


def warp_points(points: tf.Tensor, homography: tf.Tensor) -> tf.Tensor:
    """Map points xy (..., N, 2) by homographies (..., 3, 3); the leading shapes broadcast.

    Returns the dtype of `points`; NaN where the point is NaN or goes behind the camera (w <= 0). Computed in float64,
    since w near 0 magnifies rounding.
    """
    points = tf.convert_to_tensor(points)
    matrices = tf.cast(homography, tf.float64)
    wide = tf.cast(points, tf.float64)
    homogeneous = tf.concat([wide, tf.ones_like(wide[..., :1])], axis=-1)
    mapped = tf.matmul(homogeneous, matrices, transpose_b=True)
    w = mapped[..., 2:]
    nowhere = tf.constant(float("nan"), tf.float64)
    return tf.cast(tf.where(w > 0, mapped[..., :2] / tf.where(w > 0, w, tf.ones_like(w)), nowhere), points.dtype)


def warp_images(
    images: tf.Tensor,
    homography: tf.Tensor,
    output_shape: tuple[int, int] | None = None,
    interpolation: str = "bilinear",
) -> tf.Tensor:
    """Warp images float32 (B, H, W, C) by homography_0to1 (B, 3, 3) to (B, H', W', C).

    `output_shape` is (H', W'), default that of the input; `interpolation` is "bilinear" or "nearest". What lies outside
    the input or behind the camera is 0.
    """
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(f"interpolation {interpolation!r} is not known; use 'bilinear' or 'nearest'")
    images = tf.convert_to_tensor(images)
    height, width = output_shape or _height_width(images)
    homography_1to0 = exact_inverse(tf.cast(homography, tf.float64))
    # The op takes output -> input and fixes [2, 2] at 1, which loses the sign of w.
    corner_w = homography_1to0[:, 2, 2]
    tiny = 1e-9 * tf.reduce_max(tf.abs(homography_1to0[:, 2, :]), axis=-1)
    corner_w = tf.where(tf.abs(corner_w) > tiny, corner_w, tiny)
    transforms = tf.reshape(homography_1to0 / corner_w[:, None, None], (-1, 9))[:, :8]
    warped = projective.transform_images(images, tf.cast(transforms, tf.float32), interpolation, (height, width))
    w = evaluate_on_pixels(homography_1to0[:, 2, :], height, width)
    return tf.where((w > 0)[..., None], warped, tf.zeros_like(warped))


def _height_width(images: tf.Tensor) -> tuple[int, int]:
    shape = tf.shape(images)
    return images.shape[1] or shape[1], images.shape[2] or shape[2]


def evaluate_on_pixels(linear: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Evaluate a x + b y + c for (B, 3) coefficients on every pixel: float32 (B, height, width)."""
    a, b, c = tf.unstack(linear[:, :, None, None], axis=1)
    along_x = a * tf.cast(tf.range(width), tf.float64) + c
    along_y = b * tf.cast(tf.range(height)[:, None], tf.float64)
    return tf.cast(along_x, tf.float32) + tf.cast(along_y, tf.float32)
