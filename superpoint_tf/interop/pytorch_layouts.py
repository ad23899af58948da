"""The two public PyTorch networks: their names for our layers, and what differs in a file that is not one of them.

Both are ours at width 1: images in [0, 1], convolutions padded with zeros, and 65 logits a cell, its pixels row by row
and the dustbin last. So they give what they give in PyTorch where both sides are multiples of 8; elsewhere we repeat
the edge, while they drop the rest of a cell. Descriptors are sampled at keypoints our way; Magic Leap's demo, under
the PyTorch of 2018, reads its map up to half a cell elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import Weights, WeightsError, get_weights

_CONVOLUTION = {"kernel": "weight", "bias": "bias"}
_BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_COUNTER = "num_batches_tracked"  # only PyTorch counts; rpautrat's converted file lacks it, a trained one has it


@dataclass(frozen=True)
class Layout:
    """How a public checkpoint names its layers, and the terms it was published under."""

    name: str
    batch_norm: bool
    layers: dict[str, str]  # ours to theirs
    licence: str
    restricted: bool  # the licence forbids what a user of this package may want to do

    def their_name(self, ours: str) -> str:
        """Return the checkpoint's name of one of our arrays, `layer/variable`."""
        layer, variable = ours.split("/")
        if layer.endswith("_bn"):
            return f"{self.layers[layer.removesuffix('_bn')]}.bn.{_BATCH_NORM[variable]}"
        return f"{self.layers[layer]}{'.conv' if self.batch_norm else ''}.{_CONVOLUTION[variable]}"

    def shares_a_layer(self, names: Mapping[str, Any]) -> bool:
        """Tell whether any convolution is named as in this layout."""
        return any(self.their_name(f"{layer}/kernel") in names for layer in self.layers)


MAGIC_LEAP = Layout(
    name="Magic Leap's superpoint_v1.pth",
    batch_norm=False,
    layers={
        "encoder_1a": "conv1a",
        "encoder_1b": "conv1b",
        "encoder_2a": "conv2a",
        "encoder_2b": "conv2b",
        "encoder_3a": "conv3a",
        "encoder_3b": "conv3b",
        "encoder_4a": "conv4a",
        "encoder_4b": "conv4b",
        "detector_a": "convPa",
        "detector_b": "convPb",
        "descriptor_a": "convDa",
        "descriptor_b": "convDb",
    },
    licence="Magic Leap's weights are for your own non-commercial research only; neither they nor what is trained from "
    "them may be passed on (LICENSE of github.com/magicleap/SuperPointPretrainedNetwork)",
    restricted=True,
)
RPAUTRAT = Layout(
    name="rpautrat's superpoint_v6_from_tf.pth",
    batch_norm=True,
    layers={
        "encoder_1a": "backbone.0.0",
        "encoder_1b": "backbone.0.1",
        "encoder_2a": "backbone.1.0",
        "encoder_2b": "backbone.1.1",
        "encoder_3a": "backbone.2.0",
        "encoder_3b": "backbone.2.1",
        "encoder_4a": "backbone.3.0",
        "encoder_4b": "backbone.3.1",
        "detector_a": "detector.0",
        "detector_b": "detector.1",
        "descriptor_a": "descriptor.0",
        "descriptor_b": "descriptor.1",
    },
    licence="rpautrat's weights are under the MIT licence (github.com/rpautrat/SuperPoint)",
    restricted=False,
)
LAYOUTS = (MAGIC_LEAP, RPAUTRAT)


def convert(arrays: Mapping[str, np.ndarray], source: str) -> tuple[Weights, Layout]:
    """Return a state_dict, as arrays by PyTorch's names, as our weights, and which layout it was.

    Raises WeightsError, beginning with `source`, naming what is missing, unexpected, of another shape or not finite.
    """
    layout = next((layout for layout in LAYOUTS if layout.shares_a_layer(arrays)), None)
    if layout is None:
        known = " or ".join(f"{layout.their_name('encoder_1a/kernel')} ({layout.name})" for layout in LAYOUTS)
        raise WeightsError(
            f"{source}: no layer has a name we know: {first_few(list(arrays))}; expected names as {known}"
        )
    network = NetworkConfig(width=1.0, batch_norm=layout.batch_norm, descriptor_dim=256)
    ours = get_weights(build_network(network), network).arrays
    names = {name: layout.their_name(name) for name in ours}
    expected = {names[name]: _to_pytorch(array) for name, array in ours.items()}
    problems = _differences(arrays, expected)
    if problems:
        raise WeightsError(
            f"{source}: has layers of {layout.name} and differs from it: {problems}; only that network can be read"
        )
    return Weights(network, {name: _from_pytorch(arrays[names[name]]) for name in ours}), layout


def _differences(arrays: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> str:
    counters = {name.replace("running_mean", _COUNTER) for name in expected if "running_mean" in name}
    kinds = {name: (arrays[name].dtype, arrays[name].shape) for name in expected if name in arrays}
    wanted = {name: (array.dtype, array.shape) for name, array in expected.items()}
    differences = {
        "missing": [name for name in expected if name not in arrays],
        "unexpected": [name for name in arrays if name not in expected and name not in counters],
        "another shape or type": [
            f"{name} {kind[0]} {kind[1]} instead of {wanted[name][0]} {wanted[name][1]}"
            for name, kind in kinds.items()
            if kind != wanted[name]
        ],
        # only of the right shape: a few bytes can pretend to be terabytes
        "not finite": [
            name for name, kind in kinds.items() if kind == wanted[name] and not np.isfinite(arrays[name]).all()
        ],
    }
    return "; ".join(f"{what}: {first_few(names)}" for what, names in differences.items() if names)


def _to_pytorch(array: np.ndarray) -> np.ndarray:
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def _from_pytorch(array: np.ndarray) -> np.ndarray:
    return np.array(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array, order="C")


def first_few(items: Sequence[str], count: int = 3) -> str:
    """Join the first few items, and say how many there are beyond them."""
    more = f" and {len(items) - count} more" if len(items) > count else ""
    return ", ".join(str(item)[:100] for item in items[:count]) + more
