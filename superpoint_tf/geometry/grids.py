"""Frames of patches, affine maps from the square [-1, 1] x [-1, 1] to a picture, and the points they are read at.

A frame is a matrix (2, 3): x = A u + t, with u = (u, v) in the patch, u to the right and v down, and x in pixels of
the picture. Its third column is the patch's centre; the lengths of the others are half its sides.
"""

from __future__ import annotations

import tensorflow as tf

from .warp import warp_points


def frames_of(points: tf.Tensor, half_sides_px: tf.Tensor | float, angles_rad: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Return the square frames (..., 2, 3) about points xy (..., 2), float32.

    Half sides and angles (...) broadcast with the points. An angle turns the patch's right, which at 0 is the
    picture's, towards the picture's down (clockwise as seen), as OpenCV's keypoints do.
    """
    points = tf.cast(points, tf.float32)
    sides, angles = (
        tf.broadcast_to(tf.cast(value, tf.float32), tf.shape(points)[:-1]) for value in (half_sides_px, angles_rad)
    )
    cosine, sine = sides * tf.cos(angles), sides * tf.sin(angles)
    return tf.stack([tf.stack([cosine, sine], -1), tf.stack([-sine, cosine], -1), points], axis=-1)


def frame_grid(frames: tf.Tensor, side_px: int) -> tf.Tensor:
    """Return where a patch of S x S pixels is read: frames (..., 2, 3) to points xy (..., S, S, 2), row by row.

    The patch's pixels fill the square without a gap: pixel (i, j) has its centre at u = (2 j + 1) / S - 1 and
    v = (2 i + 1) / S - 1. So the grid of n S pixels is that of n x n sub-samples in each pixel of S.
    """
    frames = tf.convert_to_tensor(frames)
    centres = (2.0 * tf.range(side_px, dtype=frames.dtype) + 1.0) / side_px - 1.0
    u, v = tf.meshgrid(centres, centres)
    return frame_points(frames[..., tf.newaxis, tf.newaxis, :, :], tf.stack([u, v], axis=-1))


def frame_corners(frames: tf.Tensor) -> tf.Tensor:
    """Return the corners of frames (..., 2, 3): xy (..., 4, 2), top left first, clockwise as seen in the patch."""
    frames = tf.convert_to_tensor(frames)
    corners = tf.constant([[-1, -1], [1, -1], [1, 1], [-1, 1]], frames.dtype)
    return frame_points(frames[..., tf.newaxis, :, :], corners)


def frame_points(frames: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Map places uv (..., 2) of patches into the picture by frames (..., 2, 3), whose leading shapes broadcast."""
    return tf.reduce_sum(frames[..., :2] * places[..., tf.newaxis, :], axis=-1) + frames[..., 2]


def carry_frames(frames: tf.Tensor, homographies: tf.Tensor) -> tf.Tensor:
    """Carry frames (B, N, 2, 3) by homographies (B, 3, 3): their centres exactly, their arms by its derivative there.

    NaN where the centre goes behind the camera. Computed in float64; returns the dtype of the frames.
    """
    frames = tf.convert_to_tensor(frames)
    matrices, wide = tf.cast(homographies, tf.float64)[:, tf.newaxis], tf.cast(frames, tf.float64)
    before = wide[..., 2]
    after = warp_points(before, tf.cast(homographies, tf.float64))
    w = tf.reduce_sum(matrices[..., 2, :2] * before, axis=-1) + matrices[..., 2, 2]
    # The derivative of (h x) / w: with h's two rows and w's row g it is (h - x' g) / w.
    derivative = (matrices[..., :2, :2] - after[..., tf.newaxis] * matrices[..., 2:, :2]) / w[
        ..., tf.newaxis, tf.newaxis
    ]
    carried = tf.concat([tf.matmul(derivative, wide[..., :2]), after[..., tf.newaxis]], axis=-1)
    return tf.cast(carried, frames.dtype)
