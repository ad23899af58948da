"""Layers of the convex descriptor: gradients of a patch by direction, pooled over regions (Simonyan et al. 2014)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

_STRENGTH_QUANTILE = 0.8  # of a patch's gradients: that strong, in all bins alike, counts 1
_LEAST_STRENGTH = (
    1e-4  # of patches in [0, 1], a fortieth of a grey level: what rounding makes of one grey is no gradient
)
_BLUR_RADIUS = 4.0  # of the Gaussian's window, in deviations, as OpenCV's of floating-point pictures


class GradientMaps(tf.keras.layers.Layer):
    """Patches (P, S, S, 1) to maps (P, S, S, bins) of their gradients by direction, float32 under every policy.

    A patch is blurred; its slope is [-1 0 1] along both axes, its edge repeated outwards. A gradient counts in the two
    bins nearest to its direction, linearly: that towards the dark, from the right clockwise, (b + 1/2) / bins of a turn
    for the middle of bin b. Strengths are divided by the patch's quantile of .8 and multiplied by the number of bins,
    so scale and offset of grey levels change nothing. (Simonyan et al., PAMI 2014; quantile, bins and edge are those of
    OpenCV's VGG.)
    """

    def __init__(self, name: str, bins: int, blur_px: float) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.bins, self.blur_px = bins, blur_px

    def call(self, patches: tf.Tensor) -> tf.Tensor:
        grey = tf.cast(patches, tf.float32)[..., 0]
        side = int(grey.shape[1])
        blur, slope = (tf.constant(matrix, tf.float32) for matrix in blur_and_slope(side, self.blur_px))
        across = tf.matmul(tf.matmul(blur, grey), slope, transpose_b=True)
        down = tf.matmul(tf.matmul(slope, grey), blur, transpose_b=True)
        strength = tf.sqrt(tf.square(across) + tf.square(down))
        unit = tf.maximum(self._strong(strength), _LEAST_STRENGTH)
        shares = self._shares(tf.atan2(-down, -across))
        return shares * (self.bins * strength / unit)[..., tf.newaxis]

    def _strong(self, strength: tf.Tensor) -> tf.Tensor:
        """Return the quantile of each patch, (P, 1, 1)."""
        count = strength.shape[1] * strength.shape[2]
        stronger = count - math.floor(_STRENGTH_QUANTILE * (count - 1))
        largest, _ = tf.math.top_k(tf.reshape(strength, (-1, count)), stronger)
        return largest[:, -1, tf.newaxis, tf.newaxis]

    def _shares(self, angles: tf.Tensor) -> tf.Tensor:
        """Return how much of a gradient counts in each bin, by the distance of its direction from the bin's."""
        places = angles[..., tf.newaxis] * (self.bins / (2.0 * math.pi)) - 0.5
        apart = tf.abs(places - tf.range(self.bins, dtype=tf.float32))  # at most 3 / 2 turns
        turns = tf.round(apart / self.bins)
        return tf.maximum(1.0 - tf.abs(apart - turns * self.bins), 0.0)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:3], self.bins)


class PooledRegions(tf.keras.layers.Layer):
    """Maps (P, H, W, C) to their weighted sums (P, R, C) over regions, cut off at 1; float32 under every policy.

    The regions are its weight `pooling` (R, H W), row by row of the map, which no gradient trains: strips of the map,
    until others are assigned. A region of zeros adds zeros.
    """

    def __init__(self, name: str, regions: int) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.regions = regions

    def build(self, input_shape: Any) -> None:
        pixels = input_shape[1] * input_shape[2]
        strips = np.arange(pixels) * self.regions // pixels == np.arange(self.regions)[:, np.newaxis]
        start = tf.keras.initializers.Constant(strips / strips.sum(axis=1, keepdims=True))
        self.pooling = self.add_weight(name="pooling", shape=strips.shape, initializer=start, trainable=False)
        self.built = True

    def call(self, maps: tf.Tensor) -> tf.Tensor:
        return pool_regions(maps, tf.convert_to_tensor(self.pooling))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], self.regions, input_shape[-1])


def pool_regions(maps: tf.Tensor, pooling: tf.Tensor) -> tf.Tensor:
    """Return the sums of maps (P, H, W, C) under the weights of regions (R, H W), at most 1: (P, R, C)."""
    flat = tf.reshape(maps, (-1, maps.shape[1] * maps.shape[2], maps.shape[3]))
    return tf.minimum(tf.matmul(pooling, flat), 1.0)


def blur_and_slope(side: int, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two (side, side) matrices: a Gaussian blur of a column, and the differences [-1 0 1] of a blurred column.

    Both repeat the column's ends outwards.
    """
    radius = round(_BLUR_RADIUS * deviation)
    weights = np.exp(-0.5 * np.square(np.arange(-radius, radius + 1) / deviation))
    blur = _correlation(side, weights / weights.sum())
    return blur, _correlation(side, np.array([-1.0, 0.0, 1.0])) @ blur


def _correlation(side: int, weights: np.ndarray) -> np.ndarray:
    radius = len(weights) // 2
    matrix = np.zeros((side, side))
    for offset, weight in zip(range(-radius, radius + 1), weights, strict=True):
        np.add.at(matrix, (np.arange(side), np.clip(np.arange(side) + offset, 0, side - 1)), weight)
    return matrix
