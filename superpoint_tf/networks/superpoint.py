"""The network: a shared encoder with a detector head and a descriptor head (paper section 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from superpoint_tf.config import CELL, NetworkConfig
from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.initialization import ScaledNormal
from superpoint_tf.systems import DenseSpec

ENCODER = (  # (layer, channels at width 1, pooling after it): paper section 3.1
    ("encoder_1a", 64, False),
    ("encoder_1b", 64, True),
    ("encoder_2a", 64, False),
    ("encoder_2b", 64, True),
    ("encoder_3a", 128, False),
    ("encoder_3b", 128, True),
    ("encoder_4a", 128, False),
    ("encoder_4b", 128, False),
)
HEAD_CHANNELS = 256
LOGITS = CELL * CELL + 1  # a pixel of the cell each, and the dustbin "no keypoint"
_CHANNEL_MULTIPLE = 8
_BATCH_NORM_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def scale_channels(channels: int, width: float) -> int:
    """Multiply a channel count by `width`: the nearest multiple of 8, at least 8."""
    return max(1, int(channels * width / _CHANNEL_MULTIPLE + 0.5)) * _CHANNEL_MULTIPLE


class PadToCells(tf.keras.layers.Layer):
    """Pad images at the right and the bottom to multiples of 8, or of `side`, by repeating the last column and row.

    Zeros would draw an edge that the detector answers to.
    """

    def __init__(self, name: str = "pad", side: int = CELL) -> None:
        super().__init__(name=name)
        self.side = side

    def call(self, images: tf.Tensor) -> tf.Tensor:
        for axis in (1, 2):
            static = images.shape[axis]
            if static is not None and static % self.side == 0:
                continue
            missing = (
                self.side - 1 - (tf.shape(images)[axis] - 1) % self.side
            )  # no negative remainder: ONNX has another
            last = images[:, -1:] if axis == 1 else images[:, :, -1:]
            repeats = tf.stack([missing if axis == of else 1 for of in range(4)])
            images = tf.concat([images, tf.tile(last, repeats)], axis)
        return images

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, height, width, channels = input_shape
        sides = (None if side is None else side + -side % self.side for side in (height, width))
        return (batch, *sides, channels)


class SpaceToDepth(tf.keras.layers.Layer):
    """Put each block of side x side pixels one behind the other: (B, H, W, C) to (B, H/side, W/side, side² C)."""

    def __init__(self, side: int, name: str = "space_to_depth") -> None:
        super().__init__(name=name)
        self.side = side

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return tf.nn.space_to_depth(images, self.side)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, height, width, channels = input_shape
        sides = (None if side is None else side // self.side for side in (height, width))
        return (batch, *sides, self.side**2 * channels)


class BlurPooling(tf.keras.layers.Layer):
    """Halve (B, H, W, C), both sides even, without aliasing: maximum at each pixel, then the filter 1 2 1 (Zhang 2019).

    The maximum of 2x2 at stride 1 is filtered by 1 2 1 along both axes, divided by 16, and every second one is kept: a
    mean of 2x2 at stride 1 followed by one at stride 2 is just that. Beyond the edges the last row and column are
    repeated. It has no weights, so that it changes places with the 2x2 maximum, whose centres it keeps.
    """

    def call(self, features: tf.Tensor) -> tf.Tensor:
        for axis in (1, 2):
            first, last = (
                (features[:, :1], features[:, -1:]) if axis == 1 else (features[:, :, :1], features[:, :, -1:])
            )
            features = tf.concat([first, features, last], axis)
        maxima = tf.nn.max_pool2d(features, 2, 1, "VALID")
        return tf.nn.avg_pool2d(tf.nn.avg_pool2d(maxima, 2, 1, "VALID"), 2, 2, "VALID")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, height, width, channels = input_shape
        return (batch, *(None if side is None else side // 2 for side in (height, width)), channels)


@contextlib.contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Build layers under a Keras precision policy."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(precision)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def build_dense_network(spec: DenseSpec, config: NetworkConfig, seed: int = 0) -> tf.keras.Model:
    """Build `config.system`: MagicPoint, or with the descriptor head SuperPoint; random weights are of the seed alone.

    Takes images (B, H, W, 1) in [0, 1] of any height and width; returns {"logits": (B, Hc, Wc, 65)} and, with the
    descriptor, "descriptors": (B, Hc, Wc, D), not normalised; Hc = ceil(H/8); float32 under every precision policy.
    At width 1 with D = 256, no batch norm and an input stride of 1 it has 1,300,865 weights. Layers are named
    `encoder_1a` ... `encoder_4b`, `detector_a/b`, `descriptor_a/b`; their batch norms carry the suffix `_bn`. Built in
    the scope of a strategy with several replicas, batch norm takes its statistics over all of them.
    """
    images = tf.keras.Input((None, None, 1), name="images")
    features = PadToCells(name="pad")(images)
    stride = config.input_stride
    if stride > 1:
        features = SpaceToDepth(stride)(features)
    for name, channels, pooled in ENCODER:
        features = _convolution(features, name, scale_channels(channels, config.width), config, seed)
        if pooled and stride > 1:
            stride //= 2  # the input is as small already
        elif pooled:
            features = _pooling(f"{name}_pool", config)(features)
    # Small first logits: without batch norm the detector loss starts at ln 65, not above it.
    logit_variance = 1.0 if config.batch_norm else 0.01
    outputs = {"logits": _head(features, "detector", "logits", LOGITS, logit_variance, config, seed)}
    if spec.descriptor:
        outputs["descriptors"] = _head(features, "descriptor", "descriptors", config.descriptor_dim, 1.0, config, seed)
    return tf.keras.Model(images, outputs, name=config.system)


def dense_weight_shapes(spec: DenseSpec, config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_dense_network`, by `layer/variable`, without building it."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add(name: str, kernel_px: int, inputs: int, outputs: int) -> int:
        shapes[f"{name}/kernel"], shapes[f"{name}/bias"] = (kernel_px, kernel_px, inputs, outputs), (outputs,)
        if config.batch_norm:
            shapes.update({f"{name}_bn/{part}": (outputs,) for part in _BATCH_NORM_WEIGHTS})
        return outputs

    channels = config.input_stride**2
    for name, count, _ in ENCODER:
        channels = add(name, 3, channels, scale_channels(count, config.width))
    heads = {"detector": LOGITS} | ({"descriptor": config.descriptor_dim} if spec.descriptor else {})
    for name, outputs in heads.items():
        add(f"{name}_b", 1, add(f"{name}_a", 3, channels, scale_channels(HEAD_CHANNELS, config.width)), outputs)
    return shapes


def _head(
    features: Any, name: str, output_name: str, channels: int, initial_variance: float, config: NetworkConfig, seed: int
) -> Any:
    hidden = _convolution(features, f"{name}_a", scale_channels(HEAD_CHANNELS, config.width), config, seed)
    initializer = ScaledNormal(initial_variance, seed, f"{name}_b")
    output = tf.keras.layers.Conv2D(channels, 1, kernel_initializer=initializer, name=f"{name}_b")(hidden)
    output = _batch_norm(output, f"{name}_b", config)
    return tf.keras.layers.Activation("linear", dtype="float32", name=output_name)(output)


def _convolution(features: Any, name: str, channels: int, config: NetworkConfig, seed: int) -> Any:
    initializer = ScaledNormal(2.0, seed, name)
    layer = tf.keras.layers.Conv2D(
        channels, 3, padding="same", activation="relu", kernel_initializer=initializer, name=name
    )
    return _batch_norm(layer(features), name, config)  # after the ReLU: the order both public checkpoints have


def _pooling(name: str, config: NetworkConfig) -> tf.keras.layers.Layer:
    return BlurPooling(name=name) if config.pooling == "blur" else tf.keras.layers.MaxPooling2D(2, name=name)


def _batch_norm(features: Any, name: str, config: NetworkConfig) -> Any:
    return BatchNormalization(f"{name}_bn")(features) if config.batch_norm else features


def named_variables(model: tf.keras.Model, only_trainable: bool = False) -> dict[str, tf.Variable]:
    """Return TensorFlow's variables of a network by `layer/variable`, the same names in Keras 2 and 3.

    Those of a network inside it by `network/layer/variable`.
    """
    variables: dict[str, tf.Variable] = {}
    for layer in model.layers:
        if isinstance(layer, tf.keras.Model):
            inner = named_variables(layer, only_trainable)
            variables.update({f"{layer.name}/{name}": variable for name, variable in inner.items()})
            continue
        for variable in layer.trainable_weights if only_trainable else layer.weights:
            variables[f"{layer.name}/{variable.name.split('/')[-1].split(':')[0]}"] = _unwrap(variable)
    return variables


def _unwrap(variable: Any) -> tf.Variable:
    """Return TensorFlow's variable: the very object in Keras 2, its `value` in Keras 3."""
    return variable if callable(variable.value) else variable.value


def normalize_descriptors(descriptors: tf.Tensor) -> tf.Tensor:
    """Scale descriptors (..., D) to unit L2 length; float32 (float64 stays).

    A vector shorter than 1e-6 becomes zero and receives no gradient, since it has no direction.
    """
    if descriptors.dtype != tf.float64:
        descriptors = tf.cast(descriptors, tf.float32)
    squared = tf.reduce_sum(tf.square(descriptors), axis=-1, keepdims=True)
    shortest = tf.constant(1e-12, descriptors.dtype)
    # The inner maximum keeps the branch that is not taken finite, and with it the gradient.
    inverse = tf.where(squared > shortest, tf.math.rsqrt(tf.maximum(squared, shortest)), tf.zeros_like(squared))
    return descriptors * inverse
