"""The shapes of a patch network's weights, from its row alone: a file is judged before anything of its size is made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from superpoint_tf.networks.patch_inputs import INPUTS
from superpoint_tf.networks.patch_layers import named_layers
from superpoint_tf.networks.transformers import TAPS, TRANSFORMER_HIDDEN
from superpoint_tf.systems import Layer, PatchSpec

_AFFINE = 6  # numbers of an affine map
Shape = tuple[int, ...]  # of the features of a patch: (H, W, C) or (D,)


def patch_weight_shapes(spec: PatchSpec) -> dict[str, Shape]:
    """Return the shapes of all weights of `build_patch_network`, by `layer/variable`, without building it."""
    if not spec.head:
        return _describing(spec, 1)[0]
    if spec.branches == "two channels":
        shapes, features = _describing(spec, 2)
        return shapes | walk_layers(spec.head, features, "head_")[0]
    branch, vector = _describing(spec, 1)
    names = ["branch0"] + ["branch1"] * (spec.branches == "untied")
    head = walk_layers(spec.head, (2 * math.prod(vector),), "")[0]
    return {f"{name}/{weight}": shape for name in names for weight, shape in branch.items()} | {
        f"head/{weight}": shape for weight, shape in head.items()
    }


def vector_dimension(spec: PatchSpec) -> int:
    """Return how many numbers describe a patch, or with `two channels` both."""
    return math.prod(_describing(spec, 1)[1])


def _describing(spec: PatchSpec, channels: int) -> tuple[dict[str, Shape], Shape]:
    one = spec.streams == "one"
    side = spec.side_px if one else spec.side_px // 2
    shapes: dict[str, Shape] = {}
    for prefix in ("",) if one else ("centre_", "whole_"):
        shapes.update({f"{prefix}input/{image}": (side, side, 1) for image in INPUTS[spec.input].images})
        weights, features = walk_layers(spec.layers, (side, side, channels), prefix)
        shapes.update(weights)
    return shapes, features if one else (2 * math.prod(features),)


def walk_layers(layers: Sequence[Layer], features: Shape, prefix: str) -> tuple[dict[str, Shape], Shape]:
    """Return the shapes of the layers' weights, and that of what they make of features of this shape."""
    shapes: dict[str, Shape] = {}
    for name, layer in named_layers(layers):
        for weight, shape in _weights(layer, features).items():
            shapes[f"{prefix}{name}/{weight}"] = shape
        features = _after(layer, features)
    return shapes, features


def _weights(layer: Layer, features: Shape) -> dict[str, Shape]:
    values = layer.values
    match layer.kind:
        case "conv" | "coarse_conv":
            kernel = {"kernel": (values["side"], values["side"], features[-1], values["channels"])}
            return kernel | ({"bias": (values["channels"],)} if values["bias"] else {})
        case "deformable_conv":
            moves = deformation_numbers(values["taps"], values["side"])
            return {
                "kernel": (values["side"], values["side"], features[-1], values["channels"]),
                "deform_1_kernel": (3, 3, features[-1], moves),
                "deform_1_bias": (moves,),
            }
        case "transformer":
            return transformer_shapes(values["side"], features[-1], values["channels"])
        case "fc":
            matrix = {"kernel": (math.prod(features), values["channels"])}
            return matrix | ({"bias": (values["channels"],)} if values["bias"] else {})
        case "regions":
            return {"pooling": (values["regions"], features[0] * features[1])}
        case "bn":
            scale = ("gamma", "beta") if values["affine"] else ()
            return dict.fromkeys((*scale, "moving_mean", "moving_variance"), (features[-1],))
    return {}


def deformation_numbers(kind: str, side: int) -> int:
    """Return how many numbers move a pixel's taps in a modulated convolution: its warp's, and an amplitude a tap."""
    return len(TAPS[kind].identity(side)) + side * side


def transformer_shapes(side: int, inputs: int, outputs: int) -> dict[str, Shape]:
    """Return the shapes of the weights of `transformers.convolutional_transformer`, by their names in it."""
    sizes = (inputs, *TRANSFORMER_HIDDEN, _AFFINE)
    estimators = {f"deform_{n}_kernel": (1, 1, *sizes[n - 1 : n + 1]) for n in range(1, len(sizes))}
    offsets = {f"deform_{n}_bias": (sizes[n],) for n in range(1, len(sizes))}
    return {"kernel": (side, side, inputs, outputs), "bias": (outputs,), **estimators, **offsets}


def _after(layer: Layer, features: Shape) -> Shape:
    values = layer.values
    match layer.kind:
        case "conv" | "coarse_conv":
            zeros = 2 * (values["side"] // 2) if values["padding"] == "same" else 0
            return *((n + zeros - values["side"]) // values["stride"] + 1 for n in features[:2]), values["channels"]
        case "deformable_conv" | "transformer":
            return *features[:2], values["channels"]
        case "pool":
            rounding = values["stride"] - 1 if values["ceil"] else 0
            return *((n - values["side"] + rounding) // values["stride"] + 1 for n in features[:2]), features[2]
        case "coarse_pool":
            return features[0] // 2, features[1] // 2, features[2]
        case "spp":
            return values["bins"], values["bins"], features[2]
        case "gradients":
            return *features[:2], values["bins"]
        case "regions":
            return values["regions"], features[2]
        case "fc":
            return (values["channels"],)
        case "ghh":
            return *features[:-1], features[-1] // (values["sums"] * values["maxima"])
        case "l2":
            return (math.prod(features),)
    return features
