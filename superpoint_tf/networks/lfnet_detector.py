"""LF-Net's detector: residual features, a score map at each of five scales, and a map of orientations."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.patch_inputs import INPUTS
from superpoint_tf.networks.patch_layers import Convolution, Start

CHANNELS, SIDE, NUM_BLOCKS = 16, 5, 3
NUM_SCALES = 5
SCALES = tuple(math.sqrt(2.0) ** (1.0 - 2.0 * k / (NUM_SCALES - 1)) for k in range(NUM_SCALES))  # sqrt 2 to its inverse
_SLOPE = 0.2  # of the leaky ReLU
_LEAST_VARIANCE = 1e-5


class Resize(tf.keras.layers.Layer):
    """Features (B, H, W, C) at `factor` times their size, bilinear; at least one pixel."""

    def __init__(self, name: str, factor: float) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.factor = factor

    def call(self, features: tf.Tensor) -> tf.Tensor:
        sides = tf.cast(tf.shape(features)[1:3], tf.float32)
        return tf.image.resize(features, tf.cast(tf.maximum(tf.round(self.factor * sides), 1.0), tf.int32))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], None, None, input_shape[-1])


class ScoresOfScale(tf.keras.layers.Layer):
    """Score maps (B, h, w, 1) less their mean, by their deviation, at the size of `features` (B, H, W, C)."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, scores_and_features: list[tf.Tensor]) -> tf.Tensor:
        scores, features = scores_and_features
        mean, variance = tf.nn.moments(tf.cast(scores, tf.float32), (1, 2), keepdims=True)
        normalised = (tf.cast(scores, tf.float32) - mean) * tf.math.rsqrt(variance + _LEAST_VARIANCE)
        return tf.image.resize(normalised, tf.shape(features)[1:3])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[1][:-1], 1)


class Directions(tf.keras.layers.Layer):
    """Add (1, 0) to pairs of numbers (..., 2), to begin near it, and scale them to unit length: cosine and sine."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, pairs: tf.Tensor) -> tf.Tensor:
        pairs = tf.cast(pairs, tf.float32) + tf.constant([1.0, 0.0])
        return pairs * tf.math.rsqrt(tf.reduce_sum(tf.square(pairs), -1, keepdims=True) + 1e-8)


def build_lfnet_detector(seed: int) -> tf.keras.Model:
    """Build the part `detector`: images (B, H, W, 1) to score maps and orientations at every pixel.

    {"scores": (B, H, W, 5), one map for each of `SCALES`, mean 0 and deviation 1; "directions": (B, H, W, 2), cosine
    and sine}, float32. 41,943 weights.
    """
    start = Start("relu", seed, "detector/")

    def convolution(name: str, features: Any, channels: int = CHANNELS, kernel: Any = None) -> Any:
        return Convolution(name, channels, SIDE, 1, SIDE // 2, True, kernel or start.kernel(name))(features)

    def activated(name: str, features: Any) -> Any:
        return tf.keras.layers.LeakyReLU(_SLOPE, name=f"{name}_leaky")(BatchNormalization(f"{name}_bn")(features))

    images = tf.keras.Input((None, None, 1), name="images")
    features = convolution("conv_1", INPUTS["instance"]("input")(images))
    for block in range(1, NUM_BLOCKS + 1):
        inner = convolution(f"block_{block}a", activated(f"block_{block}a", features))
        inner = convolution(f"block_{block}b", activated(f"block_{block}b", inner))
        features = tf.keras.layers.Add(name=f"block_{block}")([features, inner])
    features = activated("features", features)
    maps = []
    for number, scale in enumerate(SCALES, 1):
        smaller = Resize(f"scale_{number}", 1.0 / scale)(features)
        maps.append(ScoresOfScale(f"scores_{number}")([convolution(f"score_{number}", smaller, 1), features]))
    pairs = convolution("orientation", features, 2, kernel="zeros")  # all begin upright
    scores = tf.keras.layers.Concatenate(name="scores", dtype="float32")(maps)
    return tf.keras.Model(images, {"scores": scores, "directions": Directions("directions")(pairs)}, name="detector")


def lfnet_detector_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of its weights by `layer/variable`."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, inputs: int, outputs: int, norm: str = "") -> None:
        if norm:
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            shapes.update({f"{norm}_bn/{part}": (inputs,) for part in parts})
        if name:
            shapes.update({f"{name}/kernel": (SIDE, SIDE, inputs, outputs), f"{name}/bias": (outputs,)})

    add("conv_1", 1, CHANNELS)
    for block in range(1, NUM_BLOCKS + 1):
        for half in "ab":
            add(f"block_{block}{half}", CHANNELS, CHANNELS, f"block_{block}{half}")
    add("", CHANNELS, CHANNELS, "features")
    for number in range(1, NUM_SCALES + 1):
        add(f"score_{number}", CHANNELS, 1)
    add("orientation", CHANNELS, 2)
    return shapes
