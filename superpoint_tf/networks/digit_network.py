"""Networks that tell digits apart, built of the layers of a system's row, perhaps behind a spatial transformer."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from superpoint_tf.networks.patch_layers import Start, Vector
from superpoint_tf.networks.patch_network import apply_layers
from superpoint_tf.networks.patch_shapes import walk_layers
from superpoint_tf.networks.transformers import TRANSFORMS, SpatialTransformer
from superpoint_tf.systems import DigitSpec
from superpoint_tf.systems.digit_systems import DIGIT_SIDE_PX

_FRONT = "front"


def build_digit_network(spec: DigitSpec, system: str, seed: int = 0) -> tf.keras.Model:
    """Build the network of a row; the seed decides its weights, `system` is the name of the model.

    Takes pictures (B, S, S, 1) in [0, 1], S = `DIGIT_SIDE_PX`; returns {"logits": (B, 10)}, float32 under every
    precision policy. Layers of the localisation network are named `front_conv_1` ..., the transformer `front`.
    """
    pictures = tf.keras.Input((DIGIT_SIDE_PX, DIGIT_SIDE_PX, 1), name="pictures")
    start, seen = Start("relu", seed), pictures
    if spec.front:
        hidden = apply_layers(spec.localisation, pictures, f"{_FRONT}_", start, pictures)[-1]
        seen = SpatialTransformer(_FRONT, spec.front)([pictures, hidden])
    logits = Vector("logits")(apply_layers(spec.layers, seen, "", start, seen)[-1])
    return tf.keras.Model(pictures, {"logits": logits}, name=system)


def digit_weight_shapes(spec: DigitSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_digit_network`, by `layer/variable`, without building it."""
    picture = (DIGIT_SIDE_PX, DIGIT_SIDE_PX, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    if spec.front:
        shapes, hidden = walk_layers(spec.localisation, picture, f"{_FRONT}_")
        numbers = len(TRANSFORMS[spec.front].identity)
        shapes |= {f"{_FRONT}/kernel": (math.prod(hidden), numbers), f"{_FRONT}/bias": (numbers,)}
    return shapes | walk_layers(spec.layers, picture, "")[0]


def cropped_grid(network: tf.keras.Model, pictures: Any) -> tf.Tensor | None:
    """Return where a network's transformer reads pictures (B, S, S, 1): uv (B, S, S, 2); None if it has none."""
    front = next((layer for layer in network.layers if layer.name == _FRONT), None)
    if front is None:
        return None
    localisation = tf.keras.Model(network.inputs, front.input[1])
    return front.grid(localisation(pictures), (DIGIT_SIDE_PX, DIGIT_SIDE_PX))
