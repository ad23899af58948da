"""The layers of patch networks, as Keras layers: what each row of a system's tuple of layers becomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.dropout import Dropout
from superpoint_tf.networks.initialization import ScaledNormal
from superpoint_tf.networks.orthogonal import ScaledOrthogonal
from superpoint_tf.networks.pooled_gradients import GradientMaps, PooledRegions
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.networks.transformers import DeformableConvolution, convolutional_transformer
from superpoint_tf.systems import Layer

_EPSILON, _MOMENTUM = 1e-5, 0.9  # of the batch norms: those of torch, whose momentum is 1 - ours
_LEAST_SQUARES = 1e-12  # under the root of a pooling, so that its gradient is finite
STARTS = {  # the first kernels by `PatchSpec.start`
    "orthogonal": lambda seed, layer: ScaledOrthogonal(0.6, seed, layer),  # as in HardNet's code
    "relu": lambda seed, layer: ScaledNormal(2.0, seed, layer),  # He et al. 2015, "MSR"
    "tanh": lambda seed, layer: ScaledNormal(1.0, seed, layer),  # LeCun et al. 1998
}


class Start(NamedTuple):
    """What the first weights of a part of a network depend on, beside the names of its layers."""

    kind: str  # a row of STARTS
    seed: int
    scope: str = ""  # of the part: two branches begin with different weights

    def kernel(self, layer: str) -> tf.keras.initializers.Initializer:
        return STARTS[self.kind](self.seed, self.scope + layer)


class Convolution(tf.keras.layers.Layer):
    """A convolution of features (P, H, W, C) with `padding_px` zeros on every side.

    Keras's own `same` with a stride pads right and bottom alone, and a padding of its own is another pass over memory.
    """

    def __init__(
        self, name: str, channels: int, side: int, stride: int, padding_px: int, bias: bool, kernel: Any, step: int = 1
    ) -> None:
        super().__init__(name=name)
        self.channels, self.side, self.stride, self.padding_px, self.use_bias = channels, side, stride, padding_px, bias
        self.step_at_use = step  # from one weight to the next, in pixels; in training it is 1
        self._initializer = kernel

    def build(self, input_shape: Any) -> None:
        shape = (self.side, self.side, input_shape[-1], self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self._initializer)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
        self.built = True

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        step = 1 if training else self.step_at_use
        around = [self.padding_px * step] * 2
        kernel = tf.cast(self.kernel, features.dtype)
        features = tf.nn.conv2d(features, kernel, self.stride, [[0, 0], around, around, [0, 0]], dilations=step)
        return tf.nn.bias_add(features, tf.cast(self.bias, features.dtype)) if self.use_bias else features


class Pooling(tf.keras.layers.Layer):
    """The maxima, or for `l2` the roots of the sums of squares, of windows of features (P, H, W, C).

    With `ceil` a last window may reach over the right and the lower edge; what lies there counts for nothing.
    """

    def __init__(self, name: str, pooling: str, side: int, stride: int, ceil: bool) -> None:
        super().__init__(name=name)
        self.pooling, self.side, self.stride, self.ceil = pooling, side, stride, ceil

    def call(self, features: tf.Tensor) -> tf.Tensor:
        l2 = self.pooling == "l2"
        if l2:
            features = tf.square(features)
        if self.ceil:
            over = [[0, (self.side - _length(features, axis)) % self.stride] for axis in (1, 2)]
            nothing = 0.0 if l2 else features.dtype.min
            features = tf.pad(features, [[0, 0], *over, [0, 0]], constant_values=nothing)
        if not l2:
            return tf.nn.max_pool2d(features, self.side, self.stride, "VALID")
        sums = self.side**2 * tf.nn.avg_pool2d(features, self.side, self.stride, "VALID")
        return tf.sqrt(tf.maximum(sums, tf.cast(_LEAST_SQUARES, sums.dtype)))


class CoarsePooling(tf.keras.layers.Layer):
    """The maxima of 2 x 2 features in training; at use their means, one pixel apart (see `systems.coarse_pool`)."""

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            return tf.nn.max_pool2d(features, 2, 2, "VALID")
        return tf.nn.avg_pool2d(features, 2, 1, "VALID")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], None, None, input_shape[-1])


class SubtractLocalMean(tf.keras.layers.Layer):
    """Features (P, H, W, C) minus their mean over all channels and a Gaussian window; see `systems.system.subtract`."""

    def __init__(self, name: str, side: int) -> None:
        super().__init__(name=name)
        offsets = np.arange(side) - (side - 1) / 2
        weights = np.exp(-0.5 * np.square(offsets / (side / 4)))
        self._window = np.outer(weights, weights)[..., None, None]

    def call(self, features: tf.Tensor) -> tf.Tensor:
        window = tf.constant(self._window, features.dtype)
        sums = tf.nn.conv2d(tf.reduce_mean(features, -1, keepdims=True), window, 1, "SAME")
        there = tf.nn.conv2d(tf.ones_like(features[:1, ..., :1]), window, 1, "SAME")
        return features - sums / there


class HingingHyperplanes(tf.keras.layers.Layer):
    """Sums of maxima with alternating signs over groups of the channels (..., C); see `systems.system.ghh`."""

    def __init__(self, name: str, sums: int, maxima: int) -> None:
        super().__init__(name=name)
        self.sums, self.maxima = sums, maxima

    def call(self, features: tf.Tensor) -> tf.Tensor:
        groups = features.shape[-1] // (self.sums * self.maxima)
        parted = tf.reshape(features, tf.concat([tf.shape(features)[:-1], (groups, self.sums, self.maxima)], 0))
        signs = tf.constant([1 - 2 * (number % 2) for number in range(self.sums)], features.dtype)
        result = tf.reduce_sum(signs * tf.reduce_max(parted, -1), -1)
        result.set_shape((*features.shape[:-1], groups))
        return result

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], input_shape[-1] // (self.sums * self.maxima))


class PyramidPooling(tf.keras.layers.Layer):
    """The maxima of features (P, H, W, C) over bins x bins parts that cover the map and may share pixels."""

    def __init__(self, name: str, bins: int) -> None:
        super().__init__(name=name)
        self.bins = bins

    def call(self, features: tf.Tensor) -> tf.Tensor:
        rows = tf.stack([tf.reduce_max(part, 1) for part in self._parts(features, 1)], 1)
        return tf.stack([tf.reduce_max(part, 2) for part in self._parts(rows, 2)], 2)

    def _parts(self, features: tf.Tensor, axis: int) -> Iterator[tf.Tensor]:
        length = _length(features, axis)
        for number in range(self.bins):
            start = number * length // self.bins
            end = ((number + 1) * length + self.bins - 1) // self.bins
            yield features[:, start:end] if axis == 1 else features[:, :, start:end]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], self.bins, self.bins, input_shape[-1])


def _length(features: tf.Tensor, axis: int) -> Any:
    """Return the length of an axis, a number if it is known before there are features."""
    return features.shape[axis] or tf.shape(features)[axis]


class _Float32(tf.keras.layers.Layer):
    """A layer that gives float32 under every precision policy."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)


class Vector(_Float32):
    """Lay out features (P, ...) as one vector (P, D) each."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reshape(features, (-1, math.prod(features.shape[1:]))), tf.float32)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], math.prod(input_shape[1:]))


class UnitLength(Vector):
    """Lay out features (P, ...) as one vector (P, D) each and scale it to unit L2 length."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return normalize_descriptors(super().call(features))


class UnitPixels(_Float32):
    """Scale the channels of each pixel of features (P, H, W, C) to unit L2 length."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return normalize_descriptors(tf.cast(features, tf.float32))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Sign(_Float32):
    """1 for numbers above 0 and -1 for the others; in training the numbers as they are (binary L2-Net)."""

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        return features if training else tf.where(features > 0.0, 1.0, -1.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Score(_Float32):
    """One number (P,) of features (P, 1)."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.cast(features, tf.float32), (-1,))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None]:
        return (input_shape[0],)


class Difference(Score):
    """The second of two numbers (P, 2) minus the first."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        features = tf.cast(features, tf.float32)
        return features[:, 1] - features[:, 0]


class Nearness(Score):
    """1 minus the Euclidean distance of the first and the second half of the features (P, 2 D)."""

    def call(self, features: tf.Tensor) -> tf.Tensor:
        first, second = tf.split(tf.cast(features, tf.float32), 2, axis=1)
        squares = tf.reduce_sum(tf.square(first - second), 1)
        return 1.0 - tf.sqrt(tf.maximum(squares, _LEAST_SQUARES))


def named_layers(layers: Sequence[Layer]) -> Iterator[tuple[str, Layer]]:
    """Yield each layer with its name: those with weights are numbered, the others named after the last of these."""
    numbers = {"conv": 0, "fc": 0, "transformer": 0}
    last, given = "", set[str]()
    for layer in layers:
        kind = layer.kind.removeprefix("coarse_").removeprefix("deformable_")
        if kind in numbers:
            numbers[kind] += 1
            last = name = f"{kind}_{numbers[kind]}"
        else:
            name = f"{last}_{kind}".lstrip("_")
        name = f"{name}_again" if name in given else name  # ReLU before and after a batch norm
        given.add(name)
        yield name, layer


def keras_layers(name: str, layer: Layer, start: Start) -> list[tf.keras.layers.Layer]:
    """Return the Keras layers of one layer, in order; the last has its name."""
    values = layer.values
    match layer.kind:
        case "conv" | "coarse_conv":
            padding_px = values["side"] // 2 if values["padding"] == "same" else 0
            sizes = values["channels"], values["side"], values["stride"], padding_px
            step = 2 if layer.kind == "coarse_conv" else 1
            return [Convolution(name, *sizes, values["bias"], start.kernel(name), step)]
        case "deformable_conv":
            return [DeformableConvolution(name, values["channels"], values["side"], values["taps"], start.kernel(name))]
        case "transformer":
            kernel = start.kernel(name)
            return [convolutional_transformer(name, values["channels"], values["side"], kernel, seed=start.seed)]
        case "fc":
            dense = tf.keras.layers.Dense(
                values["channels"], use_bias=values["bias"], kernel_initializer=start.kernel(name), name=name
            )
            return [tf.keras.layers.Flatten(name=f"{name}_flat"), dense]
        case "bn" if values["affine"]:
            return [BatchNormalization(name)]
        case "bn":
            return [BatchNormalization(name, affine=False, epsilon=_EPSILON, momentum=_MOMENTUM)]
        case "relu" | "tanh":
            return [tf.keras.layers.Activation(layer.kind, name=name)]
        case "dropout":
            return [Dropout(values["share"], start.seed, start.scope + name)]
    if layer.kind in _PLAIN:
        return [_PLAIN[layer.kind](name=name, **values)]
    known = ", ".join(
        ("conv", "coarse_conv", "deformable_conv", "transformer", "fc", "bn", "relu", "tanh", "dropout", *_PLAIN)
    )
    raise ValueError(f"layer {layer.kind!r} is not known; use {known}")


_PLAIN: dict[str, Any] = {
    "pool": Pooling,
    "coarse_pool": CoarsePooling,
    "subtract": SubtractLocalMean,
    "ghh": HingingHyperplanes,
    "spp": PyramidPooling,
    "gradients": GradientMaps,
    "regions": PooledRegions,
    "l2": UnitLength,
    "unit": UnitPixels,
    "sign": Sign,
    "difference": Difference,
    "nearness": Nearness,
}
