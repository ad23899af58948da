"""Networks that describe a patch, built of the layers that a system's row names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.dropout import Dropout
from superpoint_tf.networks.orthogonal import ScaledOrthogonal
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.systems import Layer, PatchSpec

_GAIN = 0.6  # of the first weights, as in HardNet's code
_EPSILON, _MOMENTUM = 1e-5, 0.9  # of the batch norms: those of torch, whose momentum is 1 - ours
_SHORTEST_DEVIATION = 1e-7


class Standardise(tf.keras.layers.Layer):
    """Give each patch (P, S, S, 1) mean 0 and deviation 1: (x - mean) / (unbiased deviation + 1e-7), float32.

    Mean and deviation are constants to the gradient (HardNet's code).
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, patches: tf.Tensor) -> tf.Tensor:
        patches = tf.cast(patches, tf.float32)
        mean = tf.stop_gradient(tf.reduce_mean(patches, (1, 2, 3), keepdims=True))
        others = tf.cast(math.prod(patches.shape[1:]) - 1, tf.float32)
        squares = tf.reduce_sum(tf.square(patches - mean), (1, 2, 3), keepdims=True)
        deviation = tf.stop_gradient(tf.sqrt(squares / others))
        return (patches - mean) / (deviation + _SHORTEST_DEVIATION)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class UnitLength(tf.keras.layers.Layer):
    """Lay out features (P, ...) as one vector (P, D) each and scale it to unit L2 length, float32."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return normalize_descriptors(tf.reshape(features, (-1, math.prod(features.shape[1:]))))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], math.prod(input_shape[1:]))


_INPUTS = {"standardised": Standardise}


def build_patch_network(spec: PatchSpec, system: str, seed: int = 0) -> tf.keras.Model:
    """Build the network from patches (P, S, S, 1) in [0, 1] to {"vector": (P, D)}; the seed decides the weights.

    Vectors are float32 under every precision policy, of unit length where the layers end in `l2`. Layers are named
    `conv_1` ..., and those after a convolution `conv_1_bn`, `conv_1_relu` ...; `system` names the model. Raises
    ValueError for an input or a kind of layer that is not known.
    """
    if spec.input not in _INPUTS:
        raise ValueError(f"input {spec.input!r} of {system} is not known; use {', '.join(_INPUTS)}")
    patches = tf.keras.Input((spec.side_px, spec.side_px, 1), name="patches")
    features = _INPUTS[spec.input](name="input")(patches)
    for name, layer in named_layers(spec.layers):
        for part in _keras_layers(name, layer, seed):
            features = part([features, patches] if layer.kind == "dropout" else features)
    vector = tf.keras.layers.Activation("linear", dtype="float32", name="vector")(features)
    return tf.keras.Model(patches, {"vector": vector}, name=system)


def patch_weight_shapes(spec: PatchSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_patch_network`, by `layer/variable`, without building it."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 1
    for name, layer in named_layers(spec.layers):
        if layer.kind == "conv":
            side, inputs, channels = layer.values["side"], channels, layer.values["channels"]
            shapes[f"{name}/kernel"] = (side, side, inputs, channels)
        elif layer.kind == "bn":
            shapes.update({f"{name}/{part}": (channels,) for part in ("moving_mean", "moving_variance")})
    return shapes


def named_layers(layers: Sequence[Layer]) -> Iterator[tuple[str, Layer]]:
    """Yield each layer with its name: convolutions are numbered from 1, and the others named after the last one."""
    number = 0
    for layer in layers:
        number += layer.kind == "conv"
        yield f"conv_{number}" + f"_{layer.kind}" * (layer.kind != "conv"), layer


def _keras_layers(name: str, layer: Layer, seed: int) -> list[tf.keras.layers.Layer]:
    values = layer.values
    match layer.kind:
        case "conv":
            return _convolution(name, seed=seed, **values)
        case "bn":
            return [BatchNormalization(name, affine=False, epsilon=_EPSILON, momentum=_MOMENTUM)]
        case "relu":
            return [tf.keras.layers.Activation("relu", name=name)]
        case "dropout":
            return [Dropout(values["share"], seed, name)]
        case "l2":
            return [UnitLength(name)]
    raise ValueError(f"layer {layer.kind!r} is not known; use conv, bn, relu, dropout, l2")


def _convolution(
    name: str, channels: int, side: int, padding: str, stride: int, seed: int
) -> list[tf.keras.layers.Layer]:
    """Return the padding, if any, and the convolution; Keras's own `same` with a stride pads right and bottom alone."""
    convolution = tf.keras.layers.Conv2D(
        channels,
        side,
        stride,
        padding="valid" if stride > 1 else padding,
        use_bias=False,
        kernel_initializer=ScaledOrthogonal(_GAIN, seed, name),
        name=name,
    )
    if padding == "valid" or stride == 1:
        return [convolution]
    return [tf.keras.layers.ZeroPadding2D(side // 2, name=f"{name}_pad"), convolution]
