"""The read of a pyramid: each point at its own level, by the half-pixel rule, up to the last row and column."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.pyramid import build_pyramid, sample_pyramid
from superpoint_tf.geometry.sample import sample

RANDOM = np.random.default_rng(0)


def picture(height: int, width: int, channels: int = 1) -> np.ndarray:
    return RANDOM.random((2, height, width, channels), np.float32)


def halved(image: np.ndarray) -> np.ndarray:
    """Return the means of 2x2 pixels of (H, W), the last row and column repeated where the side is odd."""
    image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2)), "edge")
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


def read(image: np.ndarray, x: float, y: float) -> float:
    """Read (H, W) bilinearly at one point, in a loop's way."""
    height, width = image.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    column, row = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for dy, wy in ((0, 1 - (y - row)), (1, y - row)):
        for dx, wx in ((0, 1 - (x - column)), (1, x - column)):
            total += wy * wx * image[min(row + dy, height - 1), min(column + dx, width - 1)]
    return total


def test_every_point_is_read_at_its_level():
    images = picture(16, 24)
    pyramid = build_pyramid(tf.constant(images), 3)
    points = RANDOM.uniform(-4, 28, (2, 50, 2)).astype(np.float32)
    levels = RANDOM.integers(0, 3, (2, 50)).astype(np.int32)
    values = sample_pyramid(pyramid, tf.constant(points), tf.constant(levels)).numpy()[..., 0]
    for index in range(2):
        pictures = [images[index, ..., 0]]
        pictures += [halved(pictures[0])]
        pictures += [halved(pictures[1])]
        for (x, y), level, value in zip(points[index], levels[index], values[index], strict=True):
            at = ((x + 0.5) / 2**level - 0.5, (y + 0.5) / 2**level - 0.5)
            assert value == pytest.approx(read(pictures[level], *at), abs=1e-5)


def test_level_0_is_the_bilinear_read():
    images, points = tf.constant(picture(8, 8, 3)), tf.constant(RANDOM.uniform(-2, 9, (2, 30, 2)), tf.float32)
    values = sample_pyramid(build_pyramid(images, 1), points, tf.zeros((2, 30), tf.int32))
    np.testing.assert_allclose(values, sample(images, points), atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 7), (1, 9), (1, 1)], ids=["odd", "one row", "one pixel"])
def test_sides_that_do_not_halve_are_continued_by_their_edge(shape: tuple[int, int]):
    images = np.full((2, *shape, 1), 0.7, np.float32)
    pyramid = build_pyramid(tf.constant(images), 4)
    points = tf.constant(RANDOM.uniform(-3, 10, (2, 20, 2)), tf.float32)
    for level in range(4):
        values = sample_pyramid(pyramid, points, tf.fill((2, 20), level))
        np.testing.assert_allclose(values, 0.7, atol=1e-6)


def test_a_ramp_keeps_its_place_at_every_level():
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32)[None, None, :, None], (1, 32, 32, 1))
    pyramid = build_pyramid(tf.constant(ramp), 3)
    points = tf.constant(RANDOM.uniform(4, 27, (1, 20, 2)), tf.float32)
    for level in range(3):
        values = sample_pyramid(pyramid, points, tf.fill((1, 20), level))[..., 0]
        np.testing.assert_allclose(values, points[..., 0], atol=1e-5)


def test_a_point_that_is_nowhere_gives_zeros():
    points = tf.constant([[[np.nan, 1.0], [1.0, np.inf], [1.0, 1.0]]], tf.float32)
    values = sample_pyramid(build_pyramid(tf.ones((1, 4, 4, 1)), 1), points, tf.zeros((1, 3), tf.int32))
    assert values.numpy().ravel().tolist() == [0.0, 0.0, 1.0]
