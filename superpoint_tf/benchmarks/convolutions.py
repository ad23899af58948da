"""How much arithmetic and memory traffic the convolutions of a network need, from the shapes of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf


class Convolution(NamedTuple):
    """One convolution applied to one picture."""

    name: str
    input_shape: tuple[int, int, int]  # height, width, channels
    output_shape: tuple[int, int, int]
    kernel: tuple[int, int]

    @property
    def multiply_adds(self) -> int:
        """Count the multiply-adds: every output element sums kernel area x input channels products."""
        height, width, channels = self.output_shape
        return height * width * channels * self.kernel[0] * self.kernel[1] * self.input_shape[2]

    @property
    def flops(self) -> int:
        """Count the operations: a multiply-add is two."""
        return 2 * self.multiply_adds

    @property
    def bytes_moved(self) -> int:
        """Return the bytes of input and output, float32; weights are shared by the batch."""
        return 4 * sum(height * width * channels for height, width, channels in (self.input_shape, self.output_shape))


def list_convolutions(model: tf.keras.Model, image_shape: tuple[int, int]) -> list[Convolution]:
    """Return the convolutions of a functional model, in order, for one image of a shape (H, W)."""
    layers = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.Conv2D)]
    inputs = _shapes(model, [layer.input for layer in layers], image_shape)
    outputs = _shapes(model, [layer.output for layer in layers], image_shape)
    return [
        Convolution(layer.name, before, after, tuple(layer.kernel_size))
        for layer, before, after in zip(layers, inputs, outputs, strict=True)
    ]


def _shapes(
    model: tf.keras.Model, tensors: Sequence[object], image_shape: tuple[int, int]
) -> list[tuple[int, int, int]]:
    found = tf.keras.Model(model.input, tensors).compute_output_shape((1, *image_shape, 1))
    return [(int(shape[1]), int(shape[2]), int(shape[3])) for shape in found]


def forward_flops(convolutions: Sequence[Convolution]) -> int:
    """Return the operations of all convolutions on one picture."""
    return sum(convolution.flops for convolution in convolutions)


def training_flops(convolutions: Sequence[Convolution]) -> int:
    """Return the operations of forward and backward on one picture.

    Backward costs two products of the forward's size a layer, for the gradients of weights and of input; the picture
    itself needs none.
    """
    return 3 * forward_flops(convolutions) - convolutions[0].flops
