"""A network of maps that begins with another one's first layers: a detector's encoder, or the body of a descriptor."""

from __future__ import annotations

import re

import numpy as np

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import weight_shapes
from superpoint_tf.networks.superpoint import ENCODER
from superpoint_tf.networks.weights import Weights, WeightsError

_ENCODER = {layer: f"conv_{number}" for number, (layer, *_) in enumerate(ENCODER, 1)}
_BATCH_NORM = "_bn"
_MOVES = "/deform_"  # in the names of what moves a convolution's taps
_IS_CONVOLUTION = re.compile(r"conv_\d+/")


def first_layers(weights: Weights, network: NetworkConfig, source: str) -> tuple[dict[str, np.ndarray], str]:
    """Return the weights of the first convolutions, with their batch norms, that fit `network`, and which these are.

    Layers correspond by their place: SuperPoint's encoder is `conv_1` to `conv_8`, other systems name theirs so. Ends
    at the first convolution that has another shape; if all fit, what else has the same name and shape is taken too. A
    convolution whose taps can move begins with twice the kernel of one whose cannot: its amplitudes are a half then,
    so it computes the same. Raises WeightsError if the very first does not fit.
    """
    arrays = {_name(name): array for name, array in weights.arrays.items()}
    shapes, taken = weight_shapes(network), dict[str, np.ndarray]()
    layers = sorted(
        {name.split("/")[0] for name in shapes if _IS_CONVOLUTION.match(name)}, key=lambda name: int(name[5:])
    )
    number = 0
    for layer in layers:
        own = {name: shape for name, shape in shapes.items() if name.split("/")[0] in (layer, layer + _BATCH_NORM)}
        moves = {name for name in own if _MOVES in name and name not in arrays}
        own = {name: shape for name, shape in own.items() if name not in moves}
        if any(name not in arrays or arrays[name].shape != shape for name, shape in own.items()):
            break
        taken |= {name: arrays[name] * (2.0 if moves and name.endswith("kernel") else 1.0) for name in own}
        number += 1
    if not number:
        raise WeightsError(
            f"{source}: {weights.network.system} of other layers, none of which fits {network.system}; "
            "leave `init` out, or name weights of the body that its row has (docs/zoo.md)"
        )
    if number == len(layers):
        alike = {name for name, array in arrays.items() if array.shape == shapes.get(name)}
        taken |= {name: arrays[name] for name in alike - taken.keys()}
    return taken, f"conv_1 to conv_{number}"


def _name(name: str) -> str:
    layer, _, weight = name.partition("/")
    base = layer.removesuffix(_BATCH_NORM)
    suffix = layer[len(base) :]
    return f"{_ENCODER.get(base, base)}{suffix}/{weight}"
