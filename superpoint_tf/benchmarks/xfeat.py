"""The layers of XFeat (Potje et al. 2024, section 3.2) with random weights: what a fast network of others costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from superpoint_tf.networks.superpoint import SpaceToDepth

_CELL = 8
_WIDTH = 64  # of what is fused, of a descriptor and of the heads
_QUARTER = ((4, 1), (8, 2), (8, 1), (24, 2))  # channels and stride of each 3x3 convolution, down to a quarter
_QUARTER_MORE = ((24, 1), (24, 1))  # after the skip
_LEVELS = (((64, 2), (64, 1)), ((64, 2), (64, 1), (64, 1)), ((128, 2), (128, 1), (128, 1)))
_NARROWED = (True, False, True)  # levels that end with a 1x1 convolution
_FUSED = ((64, 1), (64, 1))


class Standardize(tf.keras.layers.Layer):
    """Bring each picture (B, H, W, 1) to mean 0 and variance 1."""

    def call(self, images: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(images, (1, 2), keepdims=True)
        return (images - mean) * tf.math.rsqrt(variance + 1e-5)


class Enlarge(tf.keras.layers.Layer):
    """Resize maps bilinearly to the sides of others: `(maps, others)`."""

    def call(self, maps: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        small, large = maps
        return tf.cast(tf.image.resize(small, tf.shape(large)[1:3]), small.dtype)


def build_xfeat() -> tf.keras.Model:
    """Build its backbone and both heads: images (B, H, W, 1) to maps of 64, 65 and 1 numbers of each cell.

    They are the descriptors, the logits of a cell's pixels and how reliable it is, (B, H/8, W/8, ...); sides are
    multiples of 32. The matcher that refines pairs afterwards, more than half of the published 1.5 M weights, is none
    of it.
    """
    images = tf.keras.Input((None, None, 1))
    standard = Standardize()(images)
    skipped = tf.keras.layers.Conv2D(_QUARTER[-1][0], 1)(tf.keras.layers.AveragePooling2D(4)(standard))
    features = _convolve(_convolve(standard, _QUARTER) + skipped, _QUARTER_MORE)
    levels = []
    for rows, narrowed in zip(_LEVELS, _NARROWED, strict=True):
        features = _convolve(features, rows)
        if narrowed:
            features = _pointwise(features, 1)
        levels.append(features)
    fused = levels[0] + Enlarge()((levels[1], levels[0])) + Enlarge()((levels[2], levels[0]))
    descriptors = tf.keras.layers.Conv2D(_WIDTH, 1)(_convolve(fused, _FUSED))
    reliability = tf.keras.layers.Conv2D(1, 1, activation="sigmoid")(_pointwise(descriptors, 2))
    logits = tf.keras.layers.Conv2D(_CELL * _CELL + 1, 1)(_pointwise(SpaceToDepth(_CELL)(standard), 3))
    return tf.keras.Model(images, (descriptors, logits, reliability))


def _convolve(features: Any, rows: Iterable[tuple[int, int]]) -> Any:
    for channels, stride in rows:
        features = _normalized(tf.keras.layers.Conv2D(channels, 3, stride, "same", use_bias=False)(features))
    return features


def _pointwise(features: Any, count: int) -> Any:
    for _ in range(count):
        features = _normalized(tf.keras.layers.Conv2D(_WIDTH, 1, use_bias=False)(features))
    return features


def _normalized(features: Any) -> Any:
    return tf.keras.layers.ReLU()(tf.keras.layers.BatchNormalization(center=False, scale=False)(features))
