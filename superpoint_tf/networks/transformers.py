"""Layers that warp what they read: the spatial transformer of a whole map, and convolutions whose taps move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.geometry import kernel_grids, transform_grids
from superpoint_tf.geometry.sample import sample
from superpoint_tf.networks.initialization import ScaledNormal

_CORNER_REACH = 0.95  # of a homography's corners, in half sides of the kernel: none leaves its quadrant
TRANSFORMER_HIDDEN = (32, 32)  # channels of the estimator of an affine map (UCN)
_SHORTEST = 1e-12  # square of a direction without length


class TransformKind(NamedTuple):
    """A family of warps of a whole map."""

    identity: np.ndarray  # its parameters (N,) that change nothing
    grid: Callable[[tf.Tensor, Any], tf.Tensor]  # from parameters (B, N) and the output's shape to uv (B, H, W, 2)


def _affine(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    return transform_grids.affine_grid(tf.reshape(theta, (-1, 2, 3)), shape)


def _projective(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    matrices = tf.reshape(tf.concat([theta, tf.ones_like(theta[:, :1])], axis=1), (-1, 3, 3))
    return transform_grids.homography_grid(matrices, shape)


def _spline(theta: tf.Tensor, shape: Any) -> tf.Tensor:
    return transform_grids.spline_grid(tf.reshape(theta, (-1, transform_grids.SPLINE_SIDE**2, 2)), shape)


TRANSFORMS = {
    "affine": TransformKind(np.eye(2, 3).ravel(), _affine),
    "attention": TransformKind(np.array([1.0, 0.0, 0.0]), transform_grids.attention_grid),
    "projective": TransformKind(np.eye(3).ravel()[:8], _projective),
    "spline": TransformKind(transform_grids.spline_points().ravel(), _spline),
}


class SpatialTransformer(tf.keras.layers.Layer):
    """Warp features (B, H, W, C) as the last layer of a localisation network says (Jaderberg et al. 2015, section 3).

    Called with [features, hidden (B, D)]; the warp's parameters are linear in the hidden numbers, and at first those of
    the identity. `kind` is a row of `TRANSFORMS`; the output has `shape` (height, width), by default the features'.
    What is read beyond the features is 0. float32 under every precision policy.
    """

    def __init__(self, name: str, kind: str, shape: tuple[int, int] | None = None) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self._row, self._shape = TRANSFORMS[kind], shape

    def build(self, input_shape: Any) -> None:
        identity = self._row.identity
        shape = (input_shape[1][-1], len(identity))
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="zeros")
        start = tf.keras.initializers.Constant(identity)
        self.bias = self.add_weight(name="bias", shape=(len(identity),), initializer=start)
        self.built = True

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        features, hidden = inputs
        shape = tf.shape(features)[1:3]
        grid = transform_grids.square_to_pixels(self.grid(hidden, shape if self._shape is None else self._shape), shape)
        result = sample(features, grid, "zeros")
        result.set_shape(self.compute_output_shape([features.shape, hidden.shape]))  # full layers ask for it
        return result

    def grid(self, hidden: tf.Tensor, shape: Any) -> tf.Tensor:
        """Return where the pixels of an output of `shape` (height, width) are read: uv (B, H, W, 2) in [-1, 1]."""
        theta = tf.matmul(tf.cast(hidden, tf.float32), tf.convert_to_tensor(self.kernel))
        return self._row.grid(theta + tf.convert_to_tensor(self.bias), shape)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, *shape, channels = input_shape[0]
        return (batch, *(self._shape or shape), channels)


class TapKind(NamedTuple):
    """A family of warps of a kernel."""

    identity: Callable[[int], np.ndarray]  # side k to the numbers (N,) that move no tap
    taps: Callable[[tf.Tensor, int], tf.Tensor]  # numbers (..., N) and k to the taps xy (..., k k, 2), pixels


def _free_taps(numbers: tf.Tensor, side: int) -> tf.Tensor:
    return kernel_grids.kernel_taps(side) + _pairs(numbers, side * side)


def _similarity_taps(numbers: tf.Tensor, side: int) -> tf.Tensor:
    squares = tf.reduce_sum(tf.square(numbers[..., 1:]), axis=-1, keepdims=True)
    turned = _scale(numbers) * numbers[..., 1:] * tf.math.rsqrt(tf.maximum(squares, _SHORTEST))
    cosine, sine = tf.unstack(turned, axis=-1)
    rows = tf.stack([cosine, -sine], axis=-1), tf.stack([sine, cosine], axis=-1)
    return kernel_grids.affine_taps(tf.stack(rows, axis=-2), side)


def _homography_taps(numbers: tf.Tensor, side: int) -> tf.Tensor:
    corners = _CORNER_REACH * tf.tanh(_pairs(numbers[..., 1:], 4))
    taps = kernel_grids.homography_taps(kernel_grids.homographies_of_corners(corners), side)
    return _scale(numbers)[..., tf.newaxis] * taps


def _matrix_taps(numbers: tf.Tensor, side: int) -> tf.Tensor:
    return kernel_grids.affine_taps(_pairs(numbers[..., :4], 2), side) + numbers[..., tf.newaxis, 4:]


def _pairs(numbers: tf.Tensor, count: int) -> tf.Tensor:
    return tf.reshape(numbers, tf.concat([tf.shape(numbers)[:-1], (count, 2)], axis=0))


def _scale(numbers: tf.Tensor) -> tf.Tensor:
    """Return the scale (..., 1) in [1/e, e] that the first number says."""
    return tf.exp(tf.tanh(numbers[..., :1]))


TAPS = {
    # Zhu et al. 2019, Deformable ConvNets v2: an offset x, y a tap
    "free": TapKind(lambda side: np.zeros(2 * side * side), _free_taps),
    # ASLFeat, section 3.2: exp(tanh s) and a turn, (cos, sin) at any length; s and the offsets of four corners
    "affine": TapKind(lambda side: np.array([0.0, 1.0, 0.0]), _similarity_taps),
    "homography": TapKind(lambda side: np.zeros(9), _homography_taps),
    # UCN, section 3.3: a matrix 2 x 2, row by row, and a shift
    "matrix": TapKind(lambda side: np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]), _matrix_taps),
}


class DeformableConvolution(tf.keras.layers.Layer):
    """A convolution of features (B, H, W, C) at stride 1 whose k x k taps are moved at each pixel, as it sees fit.

    `kind`, a row of `TAPS`, says how they may move. What moves them is a convolution of `estimator_side` pixels, or
    after `hidden` others with ReLU a last one; it begins with zeros and the identity, so that no tap moves. If
    `modulated` it also gives each tap an amplitude between 0 and 1 (a sigmoid), at first a half: the layer begins as
    half an ordinary convolution. Beyond the map there are zeros, at the start and for moved taps alike.
    """

    def __init__(
        self,
        name: str,
        channels: int,
        side: int,
        kind: str,
        kernel: tf.keras.initializers.Initializer,
        modulated: bool = True,
        estimator_side: int = 3,
        hidden: tuple[int, ...] = (),
        bias: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(name=name)
        self.channels, self.side, self.modulated, self.use_bias = channels, side, modulated, bias
        self._row, self._initializer = TAPS[kind], kernel
        self._estimator_side, self._hidden, self._seed = estimator_side, hidden, seed

    def build(self, input_shape: Any) -> None:
        shape = (self.side, self.side, input_shape[-1], self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self._initializer)
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros")
        identity = self._row.identity(self.side)
        amplitudes = np.zeros(self.side**2 if self.modulated else 0)
        start = tf.keras.initializers.Constant(np.concatenate([identity, amplitudes]))
        sizes = (input_shape[-1], *self._hidden, len(identity) + len(amplitudes))
        self._numbers = len(identity)
        self._estimators = [
            self._estimator(number, sizes[number], sizes[number + 1], start if number == len(self._hidden) else None)
            for number in range(len(self._hidden) + 1)
        ]
        self.built = True

    def _estimator(self, number: int, inputs: int, outputs: int, start: Any) -> tuple[Any, Any]:
        name = f"deform_{number + 1}"
        first = "zeros" if start is not None else ScaledNormal(2.0, self._seed, f"{self.name}/{name}")
        shape = (self._estimator_side, self._estimator_side, inputs, outputs)
        kernel = self.add_weight(name=f"{name}_kernel", shape=shape, initializer=first)
        offset = "zeros" if start is None else start
        return kernel, self.add_weight(name=f"{name}_bias", shape=(outputs,), initializer=offset)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        taps = self.taps(features)
        count = self.side * self.side * features.shape[-1]
        shape = tf.shape(features)
        columns = tf.cast(tf.reshape(taps, (shape[0], shape[1], shape[2], count)), features.dtype)
        kernel = tf.reshape(tf.cast(self.kernel, features.dtype), (1, 1, count, self.channels))
        result = tf.nn.conv2d(columns, kernel, 1, "VALID")
        result.set_shape(self.compute_output_shape(features.shape))
        return tf.nn.bias_add(result, tf.cast(self.bias, features.dtype)) if self.use_bias else result

    def taps(self, features: tf.Tensor) -> tf.Tensor:
        """Return what the moved taps read, times their amplitudes: float32 (B, H, W, k k, C)."""
        numbers, amplitudes = self.estimate(features)
        points = kernel_grids.shift_grid(tf.shape(features)[1:3], self._row.taps(numbers, self.side))
        values = sample(features, points, "zeros")
        return values * tf.sigmoid(amplitudes)[..., tf.newaxis] if self.modulated else values

    def estimate(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the numbers of the warps (B, H, W, N) and the amplitudes before the sigmoid (B, H, W, k k or 0)."""
        for number, (kernel, bias) in enumerate(self._estimators):
            if number:
                features = tf.nn.relu(features)
            features = tf.nn.conv2d(features, tf.cast(kernel, features.dtype), 1, "SAME")
            features = tf.nn.bias_add(features, tf.cast(bias, features.dtype))
        features = tf.cast(features, tf.float32)
        return features[..., : self._numbers], features[..., self._numbers :]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.channels)


def convolutional_transformer(
    name: str, channels: int, side: int, kernel: tf.keras.initializers.Initializer, bias: bool = True, seed: int = 0
) -> DeformableConvolution:
    """Return UCN's convolutional spatial transformer: an affine map at each pixel by 1 x 1 convolutions (section 3.3).

    The paper writes the warped k x k neighbourhoods side by side and convolves at stride k, which is the same.
    """
    return DeformableConvolution(
        *(name, channels, side, "matrix", kernel),
        modulated=False,
        estimator_side=1,
        hidden=TRANSFORMER_HIDDEN,
        bias=bias,
        seed=seed,
    )
