"""Batches of distorted digits: turned, moved and scaled, in perspective, or bent (the paper's R, RTS, P and E)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.views import to_unit
from superpoint_tf.geometry.homography import homography_between_quads
from superpoint_tf.geometry.sample import sample
from superpoint_tf.geometry.transform_grids import (
    affine_grid,
    homography_grid,
    spline_grid,
    spline_points,
    square_to_pixels,
)

_HALF_DIGIT = 0.7  # of the picture's half side that the digit fills
_TURN_DEG, _TURN_RTS_DEG = 90.0, 45.0
_LEAST_SCALE, _LARGEST_SCALE = 0.7, 1.2
_CORNER_SHIFT = 0.3  # of a corner of the digit's square, in half sides of the picture
_BEND = 0.25  # of a control point, likewise


def _turned(uniforms: tf.Tensor) -> tf.Tensor:
    return _similarity(math.radians(_TURN_DEG) * uniforms[:, 0], tf.ones_like(uniforms[:, 0]), tf.zeros_like(uniforms))


def _turned_moved_scaled(uniforms: tf.Tensor) -> tf.Tensor:
    middle = math.sqrt(_LEAST_SCALE * _LARGEST_SCALE)
    scale = middle * (_LARGEST_SCALE / middle) ** uniforms[:, 1]
    room = 1.0 - _HALF_DIGIT * scale[:, tf.newaxis]  # so far the upright digit may move
    return _similarity(math.radians(_TURN_RTS_DEG) * uniforms[:, 0], scale, room * uniforms[:, 2:4])


def _similarity(angles: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Return the maps (B, 2, 3) from a picture whose digit was turned, scaled and then moved."""
    cosine, sine = tf.cos(angles) / scale, tf.sin(angles) / scale
    matrix = tf.stack([tf.stack([cosine, sine], -1), tf.stack([-sine, cosine], -1)], axis=-2)
    return tf.concat([matrix, -tf.linalg.matvec(matrix, shift[:, :2])[..., tf.newaxis]], axis=-1)


def _in_perspective(uniforms: tf.Tensor) -> tf.Tensor:
    corners = _HALF_DIGIT * tf.constant([[-1.0, -1], [-1, 1], [1, 1], [1, -1]])
    moved = corners + _CORNER_SHIFT * tf.reshape(uniforms[:, :8], (-1, 4, 2))
    return tf.cast(homography_between_quads(moved, tf.broadcast_to(corners, tf.shape(moved))), tf.float32)


def _bent(uniforms: tf.Tensor) -> tf.Tensor:
    return tf.constant(spline_points(), tf.float32) + _BEND * tf.reshape(uniforms[:, :32], (-1, 16, 2))


Grid = Callable[[tf.Tensor, Any], tf.Tensor]
DISTORTIONS: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], Grid]] = {
    "R": (_turned, affine_grid),
    "RTS": (_turned_moved_scaled, affine_grid),
    "P": (_in_perspective, homography_grid),
    "E": (_bent, spline_grid),
}


def digit_batch(batch: TensorBatch, key: int, distortion: str) -> TensorBatch:
    """Distort each digit as its own numbers say; `distortion` is a row of `DISTORTIONS`, "" none.

    `batch` is what workers hand over (`digit_source.render_digits`). Returns `numbers` (B,), `images` float32
    (B, S, S, 1) in [0, 1] and `labels` int64 (B,).
    """
    images = to_unit(batch["images"])[..., tf.newaxis]
    if distortion:
        shape = tf.shape(images)[1:3]
        draw, grid = DISTORTIONS[distortion]
        images = sample(images, square_to_pixels(grid(draw(batch["uniforms"]), shape), shape), "zeros")
    return {"numbers": batch["numbers"], "images": images, "labels": batch["labels"]}
