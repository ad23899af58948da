"""Pictures at halved resolutions, and the bilinear read of each point at the resolution that suits it."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Pyramid(NamedTuple):
    """Levels of pictures, laid out one after the other."""

    pixels: tf.Tensor  # float32 (B, pixels of all levels, C)
    shapes: tuple[tuple[int, int], ...]  # (height, width) of each level


def build_pyramid(images: tf.Tensor, num_levels: int) -> Pyramid:
    """Halve images (B, H, W, C) `num_levels` - 1 times, each pixel the mean of 2x2; H and W must be known.

    Sides that do not halve evenly are continued by their edge first.
    """
    images = tf.cast(images, tf.float32)
    multiple = 2 ** (num_levels - 1)
    missing = (-images.shape[1] % multiple, -images.shape[2] % multiple)
    flat, rows = tf.shape(images)[0], []
    level, shapes = _continued(images, *missing), []
    for number in range(num_levels):
        level = tf.nn.avg_pool2d(level, 2, 2, "VALID") if number else level
        shapes.append((int(level.shape[1]), int(level.shape[2])))
        rows.append(tf.reshape(level, (flat, shapes[-1][0] * shapes[-1][1], images.shape[3])))
    return Pyramid(tf.concat(rows, axis=1), tuple(shapes))


def sample_pyramid(pyramid: Pyramid, points: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """Read points xy (B, M, 2), in pixels of level 0, bilinearly at their levels int32 (B, M): float32 (B, M, C).

    Pixel centres are whole numbers, and the half-pixel rule holds between levels; beyond the edge it is repeated.
    A point that is not finite gives zeros.
    """
    present = tf.reduce_all(tf.math.is_finite(points), axis=-1, keepdims=True)
    sides = tf.gather(tf.constant([(width, height) for height, width in pyramid.shapes], tf.float32), levels)
    scale = tf.pow(0.5, tf.cast(levels, tf.float32))[..., tf.newaxis]
    places = (tf.where(present, tf.cast(points, tf.float32), 0.0) + 0.5) * scale - 0.5
    places = tf.clip_by_value(places, 0.0, sides - 1.0)
    low = tf.minimum(tf.floor(places), tf.maximum(sides - 2.0, 0.0))
    x, y = tf.unstack((places - low)[..., tf.newaxis], axis=2)
    sizes = [height * width for height, width in pyramid.shapes]
    first = tf.gather(tf.constant([sum(sizes[:number]) for number in range(len(sizes))]), levels)
    column, row = tf.unstack(tf.cast(low, tf.int32), axis=-1)
    width, height = tf.unstack(tf.cast(sides, tf.int32), axis=-1)
    corner = first + row * width + column
    right, below = tf.where(width > 1, 1, 0), tf.where(height > 1, width, 0)

    def read(index: tf.Tensor) -> tf.Tensor:
        return tf.gather(pyramid.pixels, index, batch_dims=1)

    top = (1.0 - x) * read(corner) + x * read(corner + right)
    bottom = (1.0 - x) * read(corner + below) + x * read(corner + below + right)
    return tf.where(present, (1.0 - y) * top + y * bottom, 0.0)


def _continued(images: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    """Repeat the last row and column of images (B, H, W, C) so often."""
    images = tf.concat([images, *[images[:, -1:]] * rows], axis=1)
    return tf.concat([images, *[images[:, :, -1:]] * columns], axis=2)
