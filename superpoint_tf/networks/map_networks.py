"""Networks from a picture to maps, put together as a system's row says: the rows of `MAP_BODIES`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.networks.googlenet import build_googlenet, googlenet_shapes
from superpoint_tf.networks.moving_maximum import MovingMaximum
from superpoint_tf.networks.patch_inputs import INPUTS
from superpoint_tf.networks.patch_layers import Start
from superpoint_tf.networks.patch_network import apply_layers
from superpoint_tf.networks.patch_shapes import walk_layers
from superpoint_tf.networks.residual_network import build_residual, residual_shapes
from superpoint_tf.networks.self_similarity import build_self_similarity, self_similarity_shapes
from superpoint_tf.networks.superpoint import PadToCells
from superpoint_tf.systems import Layer, MapSpec

_ANY_SIDE = 256  # of a picture that shapes are asked for: kernels depend on no side


class MapBody(NamedTuple):
    """One way to put a network together."""

    build: Callable[[Any, MapSpec, Start], dict[str, Any]]  # from images (B, H, W, 1) to outputs by name
    shapes: Callable[[MapSpec], dict[str, tuple[int, ...]]]  # of its weights by `layer/variable`, without building it


def build_map_network(spec: MapSpec, system: str, seed: int = 0) -> tf.keras.Model:
    """Build the network of a row; the seed decides its weights, `system` is the name of the model.

    Takes images (B, H, W, 1) in [0, 1] of any height and width, which it pads by repeating their edge; returns a dict
    of float32 tensors under every precision policy: "descriptors" (B, h, w, D), not normalised, if the row has any, and
    what its score map reads. Raises ValueError for a body that is not known.
    """
    images = tf.keras.Input((None, None, 1), name="images")
    outputs = _body(spec).build(images, spec, Start(spec.options.get("start", "relu"), seed))
    outputs = {
        name: tf.keras.layers.Activation("linear", dtype="float32", name=name)(value) for name, value in outputs.items()
    }
    return tf.keras.Model(images, outputs, name=system)


def map_weight_shapes(spec: MapSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_map_network`, by `layer/variable`, without building it."""
    return _body(spec).shapes(spec)


def _body(spec: MapSpec) -> MapBody:
    if spec.body not in MAP_BODIES:
        raise ValueError(f"body {spec.body!r} is not known; use {', '.join(MAP_BODIES)}")
    return MAP_BODIES[spec.body]


def padded_to(images: Any, side_px: int) -> Any:
    """Return images padded to multiples of `side_px` by repeating the last column and row."""
    return PadToCells("pad", side_px)(images)


# ------------------------------------------------------------------------------------------- one layer after the other


def _build_layers(images: Any, spec: MapSpec, start: Start) -> dict[str, Any]:
    """Run `layers` of the row fully convolutional; the last gives the descriptors.

    `input` is a row of `networks.patch_inputs.INPUTS`, of the picture as it is given, before it is padded. `levels`
    name outputs of layers in whose maps a system detects: each is divided by its `MovingMaximum`.
    """
    layers: tuple[Layer, ...] = spec.options["layers"]
    seen = padded_to(INPUTS[spec.options.get("input", "unit")]("input")(images), total_stride(layers))
    outputs = apply_layers(layers, seen, "", start, images)
    levels = {name: MovingMaximum(f"{name}_scale")(outputs[at]) for name, at in spec.options.get("levels", {}).items()}
    return {"descriptors": outputs[-1]} | levels


def _layers_shapes(spec: MapSpec) -> dict[str, tuple[int, ...]]:
    shapes = walk_layers(spec.options["layers"], (_ANY_SIDE, _ANY_SIDE, 1), "")[0]
    return shapes | {f"{name}_scale/moving_maximum": (1,) for name in spec.options.get("levels", {})}


def total_stride(layers: tuple[Layer, ...]) -> int:
    """Return how many pixels a side one output pixel is of, in training."""
    return math.prod(2 if layer.kind == "coarse_pool" else layer.values.get("stride", 1) for layer in layers)


MAP_BODIES: dict[str, MapBody] = {
    "layers": MapBody(_build_layers, _layers_shapes),
    "googlenet": MapBody(build_googlenet, googlenet_shapes),
    "self similarity": MapBody(build_self_similarity, self_similarity_shapes),
    "residual": MapBody(build_residual, residual_shapes),
}
