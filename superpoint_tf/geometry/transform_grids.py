"""Grids of the spatial transformer: where the pixels of its output are read, in the square [-1, 1] x [-1, 1] of a map.

As in Jaderberg et al. 2015 (section 3.2) the corners of the square are the *centres* of a map's outer pixels, u to the
right and v down; a side of one pixel has it at 0. `square_to_pixels` brings a grid to the pixels that `sample` reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

SPLINE_SIDE = 4  # control points along each axis of the square


def square_grid(shape: Any) -> tf.Tensor:
    """Return the pixel centres uv float32 (H, W, 2) of a map of `shape` (height, width), row by row."""
    v, u = (_centres(shape[axis]) for axis in (0, 1))
    return tf.stack(tf.meshgrid(u, v), axis=-1)


def _centres(length: Any) -> tf.Tensor:
    steps = tf.cast(tf.maximum(length - 1, 1), tf.float32)
    return (2.0 * tf.range(tf.cast(length, tf.float32)) - tf.cast(length - 1, tf.float32)) / steps


def square_to_pixels(grid: tf.Tensor, shape: Any) -> tf.Tensor:
    """Map points uv (..., 2) of the square to pixels xy of a map of `shape` (height, width)."""
    last = tf.cast(tf.stack([shape[1] - 1, shape[0] - 1]), grid.dtype)
    return (grid + 1.0) * last / 2.0


def affine_grid(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    """Map the pixels of an output of `shape` (height, width) by matrices (..., 2, 3): uv (..., H, W, 2)."""
    return _mapped(theta, shape)


def attention_grid(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    """Map them by a scale and a shift, (..., 3) as (scale, u, v): a crop of the map's own proportions (equation 2)."""
    theta = theta[..., tf.newaxis, tf.newaxis, :]
    return theta[..., :1] * square_grid(shape) + theta[..., 1:]


def homography_grid(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    """Map them by homographies (..., 3, 3); NaN, which `sample` reads as zeros, where they go behind the camera."""
    return divide_by_last(_mapped(theta, shape))


def _mapped(matrices: tf.Tensor, shape: Any) -> tf.Tensor:
    """Map the homogeneous pixel centres by matrices (..., D, 3): (..., H, W, D)."""
    square = square_grid(shape)
    places = tf.reshape(tf.concat([square, tf.ones_like(square[..., :1])], axis=-1), (-1, 3))
    mapped = tf.matmul(places, matrices, transpose_b=True)
    return tf.reshape(mapped, tf.concat([tf.shape(matrices)[:-2], tf.shape(square)[:2], [matrices.shape[-2]]], axis=0))


def divide_by_last(places: tf.Tensor) -> tf.Tensor:
    """Return xy (..., 2) of homogeneous points (..., 3); NaN, and no gradient, where the last is not above 0."""
    w = places[..., 2:]
    return tf.where(w > 0.0, places[..., :2] / tf.where(w > 0.0, w, tf.ones_like(w)), float("nan"))


def spline_points() -> np.ndarray:
    """Return the 16 control points uv (16, 2) in the output, row by row, the corners of the square among them."""
    ticks = np.linspace(-1.0, 1.0, SPLINE_SIDE)
    u, v = np.meshgrid(ticks, ticks)
    return np.stack([u, v], axis=-1).reshape(-1, 2)


def spline_grid(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    """Map them by the thin-plate spline that takes `spline_points` to theta (..., 16, 2) (Bookstein 1989).

    It is linear in theta: with the control points themselves it is the identity, with an affine image of them that map.
    """
    square = square_grid(shape)
    differences = square[..., tf.newaxis, :] - tf.constant(spline_points(), tf.float32)
    basis = tf.concat([_radial(differences), tf.ones_like(square[..., :1]), square], axis=-1)
    weights = tf.tensordot(basis, tf.constant(_spline_solution(), tf.float32), 1)  # (H, W, 16)
    moves = theta - tf.constant(spline_points(), tf.float32)  # the identity is exact
    return square + tf.einsum("hwn,...nd->...hwd", weights, moves)


def _radial(differences: Any) -> tf.Tensor:
    """Return r^2 ln r^2 of differences (..., 2), 0 at 0."""
    squares = tf.reduce_sum(tf.square(differences), axis=-1)
    return squares * tf.math.log(tf.maximum(squares, 1e-12))


def _spline_solution() -> np.ndarray:
    """Return the matrix (19, 16) from values at the control points to the coefficients of the basis and 1, u, v."""
    points = spline_points()
    squares = np.square(points[:, None] - points).sum(axis=-1)
    radial = squares * np.log(np.maximum(squares, 1e-12))
    affine = np.concatenate([np.ones((len(points), 1)), points], axis=1)
    system = np.block([[radial, affine], [affine.T, np.zeros((3, 3))]])
    return np.asarray(np.linalg.inv(system)[:, : len(points)])
