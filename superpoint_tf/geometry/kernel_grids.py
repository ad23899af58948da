"""Where the taps of a convolution read: shifts of each pixel, the same at all or warped at each by a map of its own.

All are pixels xy, as `sample` reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.geometry.transform_grids import divide_by_last

_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)  # of a kernel, clockwise from the top left


def shift_grid(shape: Any, shifts: tf.Tensor) -> tf.Tensor:
    """Return every pixel of a map of `shape` (height, width) moved by K shifts: xy (..., H, W, K, 2).

    Shifts are (K, 2), the same everywhere, or (..., H, W, K, 2).
    """
    x, y = (tf.range(tf.cast(shape[axis], tf.float32)) for axis in (1, 0))
    return tf.stack(tf.meshgrid(x, y), axis=-1)[..., tf.newaxis, :] + shifts


def kernel_taps(side: int) -> np.ndarray:
    """Return the taps xy float32 (k k, 2) of a kernel of k x k about its centre, row by row, as its weights lie."""
    ticks = np.arange(side, dtype=np.float32) - (side - 1) / 2
    x, y = np.meshgrid(ticks, ticks)
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def affine_taps(maps: tf.Tensor, side: int) -> tf.Tensor:
    """Return the taps mapped by matrices (..., 2, 2): xy (..., k k, 2)."""
    return tf.einsum("...ij,nj->...ni", maps, tf.constant(kernel_taps(side)))


def homography_taps(homographies: tf.Tensor, side: int) -> tf.Tensor:
    """Return the taps mapped by homographies (..., 3, 3) of the square whose corners the outer taps are.

    NaN, which `sample` reads as zeros, for a tap that goes behind the camera.
    """
    taps = kernel_taps(side)
    reach = max((side - 1) / 2, 1.0)
    places = np.concatenate([taps / reach, np.ones_like(taps[:, :1])], axis=1)
    return reach * divide_by_last(tf.einsum("...ij,nj->...ni", homographies, tf.constant(places)))


def homographies_of_corners(offsets: tf.Tensor) -> tf.Tensor:
    """Return the homographies (..., 3, 3) that come nearest to moving the corners of a kernel by (..., 4, 2).

    The corners are those of [-1, 1] x [-1, 1], clockwise from the top left. The centre stays: H13 = H23 = 0, H33 = 1
    (ASLFeat, section 3.2), so that of the eight linear equations of the direct linear transform six unknowns are the
    least-squares solution. It is in closed form, and exists where no corner leaves its quadrant.
    """
    corners = tf.constant(_CORNERS)
    moved = corners + offsets
    # With p, q the rows of H and r = (H31, H32): p u = x (1 + r u) at the corners u. As sum(u u') = 4 and the vectors 1
    # and u1 u2 are orthogonal to u, two equations for each of x and y hold r alone: n r = -m.
    turned = tf.constant(_CORNERS[:, :1] * _CORNERS[:, 1:])
    a, b = (tf.reduce_sum(moved * corners[:, axis : axis + 1], axis=-2) for axis in (0, 1))  # each of x and y
    one, both = tf.reduce_sum(moved, axis=-2), tf.reduce_sum(moved * turned, axis=-2)
    diagonal, other = tf.reduce_sum(a * a + b * b, -1), 2.0 * tf.reduce_sum(a * b, -1)
    right0, right1 = tf.reduce_sum(a * one + b * both, -1), tf.reduce_sum(b * one + a * both, -1)
    determinant = (diagonal - other) * (diagonal + other)
    g = (other * right1 - diagonal * right0) / determinant
    h = (other * right0 - diagonal * right1) / determinant
    last = tf.stack([g, h], axis=-1)
    w = 1.0 + tf.reduce_sum(last[..., tf.newaxis, :] * corners, axis=-1, keepdims=True)
    rows = tf.einsum("...nd,ne->...de", moved * w, corners) / 4.0
    matrices = tf.concat([rows, last[..., tf.newaxis, :]], axis=-2)
    column = tf.broadcast_to(tf.constant([[0.0], [0.0], [1.0]]), tf.concat([tf.shape(matrices)[:-1], [1]], axis=0))
    return tf.concat([matrices, column], axis=-1)
