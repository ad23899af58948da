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
    angles = tf.cast(angles_rad, tf.float32)
    return frames_towards(points, half_sides_px, tf.stack([tf.cos(angles), tf.sin(angles)], axis=-1))


def frames_towards(points: tf.Tensor, half_sides_px: tf.Tensor | float, directions: tf.Tensor) -> tf.Tensor:
    """Do `frames_of` with the patch's right given by unit vectors (..., 2): cosine and sine of its angle."""
    points = tf.cast(points, tf.float32)
    sides = tf.broadcast_to(tf.cast(half_sides_px, tf.float32), tf.shape(points)[:-1])
    cosine, sine = tf.unstack(sides[..., tf.newaxis] * tf.cast(directions, tf.float32), axis=-1)
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
    w = tf.reduce_sum(matrices[..., 2, :2] * before, axis=-1) + matrices[..., 2, 2]
    ahead = w > 0.0  # NaN comes in last: one that is masked later would still spoil the gradient
    w = tf.where(ahead, w, tf.ones_like(w))
    after = warp_points(before, tf.cast(homographies, tf.float64))
    after = tf.where(ahead[..., tf.newaxis], after, tf.zeros_like(after))
    # The derivative of (h x) / w: with h's two rows and w's row g it is (h - x' g) / w.
    derivative = (matrices[..., :2, :2] - after[..., tf.newaxis] * matrices[..., 2:, :2]) / w[
        ..., tf.newaxis, tf.newaxis
    ]
    carried = tf.concat([tf.matmul(derivative, wide[..., :2]), after[..., tf.newaxis]], axis=-1)
    carried = tf.where(ahead[..., tf.newaxis, tf.newaxis], carried, tf.constant(float("nan"), tf.float64))
    return tf.cast(carried, frames.dtype)


def nearest_similarity(frames: tf.Tensor) -> tf.Tensor:
    """Return frames (..., 2, 3) of the same centre and area without tilt: the nearest turn, and the mean scale."""
    frames = tf.convert_to_tensor(frames)
    a, b, c, d = frames[..., 0, 0], frames[..., 0, 1], frames[..., 1, 0], frames[..., 1, 1]
    side = tf.sqrt(tf.abs(a * d - b * c))
    return frames_of(frames[..., 2], side, tf.atan2(c - b, a + d))


def upright_frames(frames: tf.Tensor) -> tf.Tensor:
    """Return frames (..., 2, 3) of the same centre and area that are neither turned nor tilted."""
    frames = tf.convert_to_tensor(frames)
    return frames_of(frames[..., 2], tf.sqrt(tf.abs(_determinant(frames))))


def patch_points(frames: tf.Tensor, to_picture: tf.Tensor, side_px: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return where patches of a view are read in the picture that the view shows, without drawing the view.

    frames (B, N, 2, 3) in the view, `to_picture` float64 (B, 3, 3) the homography from the view to the picture. Returns
    points xy float32 (B, N, S, S, 2), by the rule of `frame_grid`; and at the patches' centres, float32 (B, N), the
    side of a patch's pixel and that of a view's pixel, both in pixels of the picture.
    """
    wide = tf.cast(frames, tf.float64)
    row = tf.broadcast_to(tf.constant([[0, 0, 1]], tf.float64), tf.concat([tf.shape(wide)[:-2], (1, 3)], 0))
    maps = tf.matmul(to_picture[:, tf.newaxis], tf.concat([wide, row], axis=-2))
    # The derivative of (h u) / w at u = 0: with h's two rows, w's row g and the centre x it is (h - x g) / w.
    w = maps[..., 2, 2]
    centre = maps[..., :2, 2] / w[..., tf.newaxis]
    arms = (maps[..., :2, :2] - centre[..., tf.newaxis] * maps[..., 2:, :2]) / w[..., tf.newaxis, tf.newaxis]
    in_picture, in_view = (tf.sqrt(tf.abs(_determinant(each))) for each in (arms, wide[..., :2]))
    u, v = tf.unstack(tf.reshape(frame_grid(tf.eye(2, 3), side_px), (-1, 2)), axis=-1)
    places = tf.stack([u, v, tf.ones_like(u)], axis=-1)
    mapped = tf.matmul(places, tf.cast(maps / w[..., tf.newaxis, tf.newaxis], tf.float32), transpose_b=True)
    points = tf.reshape(
        mapped[..., :2] / mapped[..., 2:], tf.concat([tf.shape(frames)[:2], (side_px, side_px, 2)], axis=0)
    )
    return points, tf.cast(in_picture * 2.0 / side_px, tf.float32), tf.cast(in_picture / in_view, tf.float32)


def _determinant(matrices: tf.Tensor) -> tf.Tensor:
    return matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]
