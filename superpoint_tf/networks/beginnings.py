"""A network of maps that begins with another one's first layers: a detector's encoder, or the body of a descriptor."""

from __future__ import annotations

import numpy as np

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import weight_shapes
from superpoint_tf.networks.superpoint import ENCODER
from superpoint_tf.networks.weights import Weights, WeightsError

_ENCODER = {layer: f"conv_{number}" for number, (layer, *_) in enumerate(ENCODER, 1)}
_BATCH_NORM = "_bn"


def first_layers(weights: Weights, network: NetworkConfig, source: str) -> tuple[dict[str, np.ndarray], str]:
    """Return the weights of the first convolutions, with their batch norms, that fit `network`, and which these are.

    Layers correspond by their place: SuperPoint's encoder is `conv_1` to `conv_8`, other systems name theirs so. Ends
    at the first convolution that has another shape. Raises WeightsError if that is the very first.
    """
    arrays = {_name(name): array for name, array in weights.arrays.items()}
    shapes, taken = weight_shapes(network), dict[str, np.ndarray]()
    number = 0
    while True:
        layer = f"conv_{number + 1}"
        own = {name: shape for name, shape in shapes.items() if name.split("/")[0] in (layer, layer + _BATCH_NORM)}
        if not own or any(name not in arrays or arrays[name].shape != shape for name, shape in own.items()):
            break
        taken |= {name: arrays[name] for name in own}
        number += 1
    if not number:
        raise WeightsError(
            f"{source}: {weights.network.system} of other layers, none of which fits {network.system}; "
            "leave `init` out, or name weights of the body that its row has (docs/zoo.md)"
        )
    return taken, f"conv_1 to conv_{number}"


def _name(name: str) -> str:
    layer, _, weight = name.partition("/")
    base = layer.removesuffix(_BATCH_NORM)
    suffix = layer[len(base) :]
    return f"{_ENCODER.get(base, base)}{suffix}/{weight}"
