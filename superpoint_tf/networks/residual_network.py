"""DELF's network: residual blocks, attention, descriptors reduced by principal components, and heads of classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.initialization import ScaledNormal
from superpoint_tf.networks.orthogonal import ScaledOrthogonal
from superpoint_tf.networks.patch_layers import Convolution, Start
from superpoint_tf.networks.patch_network import apply_layers
from superpoint_tf.networks.patch_shapes import walk_layers
from superpoint_tf.networks.superpoint import PadToCells, normalize_descriptors
from superpoint_tf.systems import MapSpec

ATTENTION_CHANNELS = 512
HEADS = "classes_"  # how the names of the heads of classes begin: no file of weights holds them
_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_SIDE = 256  # of a picture that shapes are asked for: kernels depend on no side
_LEAST_VARIANCE = 1e-6  # of a component, as a share of the first one's: less is rounding, and not enlarged


class Reduction(tf.keras.layers.Layer):
    """Features (B, h, w, C) of unit length to their principal components (B, h, w, D), whitened: (x - mean) kernel.

    Set by `set_components`; before that a random orthonormal projection. No gradient changes it.
    """

    def __init__(self, dimension: int, kernel: Any) -> None:
        super().__init__(name="reduction", dtype="float32", autocast=False)
        self.dimension, self._initializer = dimension, kernel

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[-1], self.dimension)
        self.mean = self.add_weight(name="mean", shape=shape[:1], initializer="zeros", trainable=False)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self._initializer, trainable=False)
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.tensordot(normalize_descriptors(features) - self.mean, self.kernel, 1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.dimension)

    def set_components(self, mean: np.ndarray, kernel: np.ndarray) -> None:
        """Set what `principal_components` returned."""
        self.mean.assign(mean)
        self.kernel.assign(kernel)


class Softplus(tf.keras.layers.Layer):
    """ln(1 + e^x), float32 under every precision policy."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.nn.softplus(tf.cast(features, tf.float32))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class MeanFeature(tf.keras.layers.Layer):
    """The mean (B, C) of features (B, h, w, C), float32."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.cast(features, tf.float32), (1, 2))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[-1])


class AttentiveMean(tf.keras.layers.Layer):
    """The mean of features (B, h, w, C) of unit length, each times its attention (B, h, w, 1) (DELF, equation 3).

    Times the root of C, which a matrix behind it could absorb: its numbers, and with them what the matrix learns at a
    given rate, are then of the size that those of the features are.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        features, attention = inputs
        weighed = normalize_descriptors(features) * tf.cast(attention, tf.float32)
        return math.sqrt(features.shape[-1]) * tf.reduce_mean(weighed, (1, 2))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0][0], input_shape[0][-1])


def build_residual(images: Any, spec: MapSpec, start: Start) -> dict[str, Any]:
    """Return "descriptors" (B, h, w, D) and "attention" (B, h, w, 1), from 0 up, of images (B, H, W, 1).

    The row's `layers`, then its `stages` of residual blocks give features; two 1x1 convolutions their attention, and
    `Reduction` the descriptors. Layers are `conv_1` ..., `block_1_1_a` ..., `attention_1`, `attention_2`, `reduction`.
    """
    padded = PadToCells("pad", spec.stride)(images)
    features = apply_layers(spec.options["layers"], padded, "", start, images)[-1]
    for name, channels, stride in _blocks(spec):
        features = _block(features, name, channels, stride, spec.options["narrow"], start)
    features = tf.keras.layers.Activation("linear", dtype="float32", name="features")(features)
    hidden = _normalised(features, "attention_1", ATTENTION_CHANNELS, 1, 1, start)
    hidden = tf.keras.layers.Activation("relu", name="attention_1_relu")(hidden)
    scores = Convolution("attention_2", 1, 1, 1, 0, True, ScaledNormal(1.0, start.seed, "attention_2"))(hidden)
    reduction = Reduction(spec.dimension, ScaledOrthogonal(1.0, start.seed, "reduction"))
    return {"descriptors": reduction(features), "attention": Softplus("attention_softplus")(scores)}


def _blocks(spec: MapSpec) -> Iterator[tuple[str, int, int]]:
    """Yield the name, the channels and the stride of each residual block."""
    for number, (channels, stride, count) in enumerate(spec.options["stages"], 1):
        for block in range(1, count + 1):
            yield f"block_{number}_{block}", channels, stride if block == 1 else 1


def _steps(channels: int, stride: int, narrow: int) -> list[tuple[str, int, int, int]]:
    """Return suffix, channels, side and stride of a block's convolutions: two of 3x3, or a bottleneck (He et al.)."""
    if narrow == 1:
        return [("a", channels, 3, stride), ("b", channels, 3, 1)]
    return [("a", channels // narrow, 1, 1), ("b", channels // narrow, 3, stride), ("c", channels, 1, 1)]


def _block(features: Any, name: str, channels: int, stride: int, narrow: int, start: Start) -> Any:
    inner, steps = features, _steps(channels, stride, narrow)
    for number, (suffix, count, side, step) in enumerate(steps, 1):
        inner = _normalised(inner, f"{name}_{suffix}", count, side, step, start)
        if number < len(steps):
            inner = tf.keras.layers.Activation("relu", name=f"{name}_{suffix}_relu")(inner)
    if stride != 1 or features.shape[-1] != channels:
        features = _normalised(features, f"{name}_shortcut", channels, 1, stride, start)
    added = tf.keras.layers.Add(name=f"{name}_sum")([inner, features])
    return tf.keras.layers.Activation("relu", name=f"{name}_relu")(added)


def _normalised(features: Any, name: str, channels: int, side: int, stride: int, start: Start) -> Any:
    convolved = Convolution(name, channels, side, stride, side // 2, False, start.kernel(name))(features)
    return BatchNormalization(f"{name}_bn")(convolved)


def residual_shapes(spec: MapSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_residual` by `layer/variable`."""
    shapes, (*_, inputs) = walk_layers(spec.options["layers"], (_SIDE, _SIDE, 1), "")

    def add(name: str, side: int, before: int, after: int) -> int:
        shapes[f"{name}/kernel"] = (side, side, before, after)
        shapes.update({f"{name}_bn/{part}": (after,) for part in _BATCH_NORM})
        return after

    for name, channels, stride in _blocks(spec):
        inner = inputs
        for suffix, count, side, _ in _steps(channels, stride, spec.options["narrow"]):
            inner = add(f"{name}_{suffix}", side, inner, count)
        if stride != 1 or inputs != channels:
            add(f"{name}_shortcut", 1, inputs, channels)
        inputs = channels
    add("attention_1", 1, inputs, ATTENTION_CHANNELS)
    attention = {"attention_2/kernel": (1, 1, ATTENTION_CHANNELS, 1), "attention_2/bias": (1,)}
    return shapes | attention | {"reduction/mean": (inputs,), "reduction/kernel": (inputs, spec.dimension)}


def with_class_heads(network: tf.keras.Model, classes: int, seed: int) -> tf.keras.Model:
    """Return the network with what trains it besides: "features" (B, h, w, C), and logits (B, N) of the photographs.

    "body_logits" are of the mean feature, "attention_logits" of the mean by attention; one matrix each, small at first:
    the loss begins at that of a guess.
    """
    features, attention = network.get_layer("features").output, network.get_layer("attention_softplus").output
    means = {
        "body": MeanFeature("body_mean")(features),
        "attention": AttentiveMean("attention_mean")([features, attention]),
    }
    logits = {
        f"{name}_logits": tf.keras.layers.Dense(
            classes, kernel_initializer=ScaledNormal(0.01, seed, HEADS + name), dtype="float32", name=HEADS + name
        )(mean)
        for name, mean in means.items()
    }
    return tf.keras.Model(network.input, {**network.output, "features": features, **logits}, name=network.name)


def principal_components(vectors: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (C,) and the matrix (C, D) of the first `dimension` principal components of vectors (N, C).

    Whitened: (x - mean) matrix has mean 0 and covariance 1 over these vectors. The largest number of a component is
    positive. One of less than a millionth of the first one's variance, of few vectors or equal ones, is not enlarged
    beyond that.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / max(len(vectors), 1))
    variances, axes = variances[::-1][:dimension], axes[:, ::-1][:, :dimension]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    least = max(variances[0] * _LEAST_VARIANCE, np.finfo(np.float32).tiny)
    kernel = axes * np.sign(largest) / np.sqrt(np.maximum(variances, least))
    return mean.astype(np.float32), kernel.astype(np.float32)
