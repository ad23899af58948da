"""What a stereo network says of the pixels of two pictures: costs of all disparities, or of some points alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.models.inference import CompiledInference, with_few_counts
from superpoint_tf.networks.stereo_network import standardise_pictures
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import StereoSpec

UNSEEN = 1.0  # cost of what lies left of the right picture: the highest
_BLOCK_PIXELS = 4096  # that full layers see at a time: more do not fit into a cache
_BLOCK_POINTS = 512
_COUNT_STEP = 512  # of pairs that full layers see: their number is another for each disparity and width


class PairCosts:
    """Costs in [0, 1] of taking a pixel of the left and one of the right picture for the same point.

    A description of unit length has the cost (1 - dot product) / 2; full layers have the probability of a mismatch. The
    first of them is linear in both descriptions, so that it is applied to each once and not to each pair.
    """

    def __init__(self, network: tf.keras.Model, spec: StereoSpec) -> None:
        describe = {layer.name: layer for layer in network.layers}["describe"]
        pictures = tf.TensorSpec((None, None, None, 1), tf.float32)
        self._describe = CompiledInference(lambda seen: describe(seen, training=False), pictures)
        self._border_px = spec.side_px // 2
        self._decide = _decision(network) if spec.head else None
        self._first = _first_layer(network) if spec.head else None

    def describe(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what costs are made of, float32 (H, W, C) of both pictures float32 (H, W) in [0, 1].

        Beyond the pictures their edges are repeated.
        """
        maps = [self._map(picture) for picture in (left, right)]
        if self._first is not None:
            maps = [self._first(each, number) for number, each in enumerate(maps)]
        return maps[0].numpy(), maps[1].numpy()

    def volume(self, left: np.ndarray, right: np.ndarray, num_disparities: int) -> np.ndarray:
        """Return the costs float32 (D, H, W) of the disparities 0 to D - 1 of each left pixel."""
        first, second = self.describe(left, right)
        height, width = left.shape
        volume = np.full((num_disparities, height, width), UNSEEN, np.float32)
        rows = max(_BLOCK_PIXELS // width, 1)
        for top in range(0, height, rows):
            block = slice(top, top + rows)
            for disparity in range(min(num_disparities, width)):
                pair = first[block, disparity:], second[block, : width - disparity]
                volume[disparity, block, disparity:] = self._compare(*pair)
        return volume

    def at_points(self, left: np.ndarray, right: np.ndarray, points: np.ndarray, num_disparities: int) -> np.ndarray:
        """Return the costs float32 (N, D) of left pixels xy int (N, 2): what `volume` has there."""
        return self.of_described(*self.describe(left, right), points, num_disparities)

    def of_described(
        self, first: np.ndarray, second: np.ndarray, points: np.ndarray, num_disparities: int, down: int = 0
    ) -> np.ndarray:
        """Do `at_points` of what `describe` gave, `down` rows lower in the right picture."""
        costs = np.empty((len(points), num_disparities), np.float32)
        for start in range(0, len(points), _BLOCK_POINTS):
            x, y = points[start : start + _BLOCK_POINTS].T[..., np.newaxis]
            there = x - np.arange(num_disparities)
            row = np.clip(y + down, 0, len(second) - 1)
            found = self._compare(first[y, x], second[row, np.maximum(there, 0)])
            costs[start : start + _BLOCK_POINTS] = np.where(there >= 0, found, UNSEEN)
        return costs

    def _map(self, picture: np.ndarray) -> tf.Tensor:
        standard = standardise_pictures(tf.constant(picture[np.newaxis, ..., np.newaxis], tf.float32))
        border = self._border_px
        around = np.pad(standard.numpy(), ((0, 0), (border, border), (border, border), (0, 0)), "edge")
        return self._describe(tf.constant(around))[0]

    def _compare(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self._decide is None:
            return (1.0 - np.einsum("...c,...c->...", first, second)) / 2.0
        joined = first + second
        return self._decide(tf.constant(joined.reshape(-1, joined.shape[-1]))).numpy().reshape(joined.shape[:-1])


def _layers_of_head(network: tf.keras.Model) -> list[tuple[tf.Variable, tf.Variable]]:
    """Return kernel and bias of the full layers, in order."""
    variables = named_variables(network)
    layers: list[tuple[tf.Variable, tf.Variable]] = []
    while f"head/conv_{len(layers) + 1}/kernel" in variables:
        name = f"head/conv_{len(layers) + 1}"
        layers.append((variables[f"{name}/kernel"], variables[f"{name}/bias"]))
    return layers


def _first_layer(network: tf.keras.Model) -> Callable[[tf.Tensor, int], tf.Tensor]:
    kernel, bias = _layers_of_head(network)[0]

    def apply(descriptions: tf.Tensor, number: int) -> tf.Tensor:
        """Return the part of one picture in what the first layer gives; the left one's has the offset."""
        part = tf.split(kernel[0, 0], 2, axis=0)[number]
        values = tf.linalg.matmul(descriptions, part)
        return values if number else values + bias

    return apply


def _decision(network: tf.keras.Model) -> Any:
    rest = _layers_of_head(network)[1:]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)], autograph=False)
    def decide(features: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of a mismatch (P,) of what the first layer gave (P, C), before its ReLU."""
        for kernel, bias in rest:
            features = tf.nn.bias_add(tf.linalg.matmul(tf.nn.relu(features), kernel[0, 0]), bias)
        return tf.sigmoid(features[:, 0])

    return with_few_counts(decide, _COUNT_STEP)
