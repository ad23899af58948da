"""FCSS: a backbone compared with itself at learned shifts, on three levels (Kim et al. 2017, section 4)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from superpoint_tf.geometry.translation import translate
from superpoint_tf.networks.initialization import ScaledNormal
from superpoint_tf.networks.patch_layers import Start, UnitPixels
from superpoint_tf.networks.patch_network import apply_layers
from superpoint_tf.networks.patch_shapes import walk_layers
from superpoint_tf.networks.superpoint import PadToCells
from superpoint_tf.systems import Layer, MapSpec

_BANDWIDTH = 0.5  # lambda: of a squared distance of unit features
_SLOWNESS = 0.1  # the shifts' share of the rate, under gradient descent
_ANY_SIDE = 256


class SelfSimilarity(tf.keras.layers.Layer):
    """Compare a map of unit features (B, h, w, C) with itself: (B, h, w, K), one number a pair of learned shifts.

    Response k at x is exp(-|F(x + s_k) - F(x + t_k)|^2 / .5) (equations 4 and 5); s and t are the same everywhere, in
    the map's own pixels, at first normal with `deviation_px`. F is read bilinearly, so that gradients reach the shifts;
    theirs are a tenth. float32 under every precision policy.
    """

    def __init__(self, name: str, pairs: int, deviation_px: float, seed: int) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.pairs, self._deviation_px, self._seed = pairs, deviation_px, seed

    def build(self, input_shape: Any) -> None:
        # the first axis is what the initializer scales by
        start = ScaledNormal(4.0 * self._deviation_px**2, self._seed, self.name)
        self.shifts = self.add_weight(name="shifts", shape=(4, self.pairs), initializer=start)
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        shifts = tf.convert_to_tensor(self.shifts)
        slow = _SLOWNESS * shifts + tf.stop_gradient((1.0 - _SLOWNESS) * shifts)

        def response(pair: tf.Tensor) -> tf.Tensor:
            difference = translate(features, pair[:2]) - translate(features, pair[2:])
            return tf.exp(-tf.reduce_sum(tf.square(difference), axis=-1) / _BANDWIDTH)

        responses = tf.map_fn(response, tf.transpose(slow), parallel_iterations=1)
        return tf.transpose(responses, (1, 2, 3, 0))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.pairs)


def build_self_similarity(images: Any, spec: MapSpec, start: Start) -> dict[str, Any]:
    """Build backbone, levels and their join, at the first level's stride.

    Options: `layers` of the backbone; `taps`, numbers of those whose outputs are the levels; `strides` of these;
    `pairs` of shifts a level, 0: the levels as they are; `deviations_px` of the shifts at first.
    """
    options = spec.options
    strides: Sequence[int] = options["strides"]
    layers: tuple[Layer, ...] = options["layers"]
    outputs = apply_layers(layers, PadToCells("pad", max(strides))(images), "", start, images)
    levels = []
    for number, (tap, stride) in enumerate(zip(options["taps"], strides, strict=True), 1):
        name = f"level_{number}"
        level = UnitPixels(f"{name}_unit")(outputs[tap])
        if options["pairs"]:
            level = SelfSimilarity(name, options["pairs"], options["deviations_px"][number - 1], start.seed)(level)
            level = tf.keras.layers.MaxPooling2D(2, 1, "same", name=f"{name}_pool")(level)
        if stride > strides[0]:
            factor = stride // strides[0]
            level = tf.keras.layers.UpSampling2D(factor, interpolation="bilinear", name=f"{name}_up")(level)
        levels.append(UnitPixels(f"{name}_length")(level))
    return {"descriptors": tf.keras.layers.Concatenate(name="levels")(levels)}


def self_similarity_shapes(spec: MapSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all its weights by `layer/variable`."""
    shapes = walk_layers(spec.options["layers"], (_ANY_SIDE, _ANY_SIDE, 1), "")[0]
    if pairs := spec.options["pairs"]:
        levels = itertools.count(1)
        shapes |= {f"level_{next(levels)}/shifts": (4, pairs) for _ in spec.options["taps"]}
    return shapes
