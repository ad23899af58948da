"""The public PyTorch networks: their names for our arrays, and what differs in a file that is not one of them.

The two of SuperPoint are ours at width 1: images in [0, 1], convolutions padded with zeros, and 65 logits a cell, its
pixels row by row and the dustbin last. So they give what they give in PyTorch where both sides are multiples of 8;
elsewhere we repeat the edge, while they drop the rest of a cell. Descriptors are sampled at keypoints our way; Magic
Leap's demo, under the PyTorch of 2018, reads its map up to half a cell elsewhere.

TFeat and HardNet are files of their authors and of kornia. PyTorch lays out a map that a matrix reads channel by
channel, we pixel by pixel: such kernels are turned too.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from superpoint_tf.config import NetworkConfig
from superpoint_tf.interop.origin import Origin
from superpoint_tf.networks.build import weight_shapes
from superpoint_tf.networks.weights import Weights, WeightsError

_WEIGHTS = {"kernel": "weight", "bias": "bias"}
_BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_COUNTER = "num_batches_tracked"  # only PyTorch counts; rpautrat's converted file lacks it, a trained one has it


@dataclass(frozen=True, eq=False)
class Layout(Origin):
    """How a public checkpoint names its layers."""

    network: NetworkConfig
    layers: dict[str, str]  # ours to theirs
    maps: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # (C, H, W) that a kernel `fc_.` reads

    def their_name(self, ours: str) -> str:
        """Return the checkpoint's name of one of our arrays, `layer/variable`."""
        layer, variable = ours.split("/")
        return f"{self.layers[layer]}.{(_BATCH_NORM if layer.endswith('_bn') else _WEIGHTS)[variable]}"

    def prefixes(self, names: Iterable[str]) -> Counter[str]:
        """Count what stands before the names of this layout's convolutions: "", `module.`, `model.net.`, ..."""
        theirs = [self.their_name(f"{layer}/kernel") for layer in self.layers if not layer.endswith("_bn")]
        return Counter(
            name.removesuffix(kernel)
            for kernel in theirs
            for name in names
            if name == kernel or name.endswith(f".{kernel}")
        )

    def our_array(self, ours: str, theirs: np.ndarray) -> np.ndarray:
        """Return one of our arrays, `layer/variable`, from the checkpoint's."""
        channels_last = (2, 3, 1, 0)  # height, width, in, out
        if theirs.ndim == 4:
            return np.ascontiguousarray(theirs.transpose(channels_last))
        layer = ours.split("/")[0]
        if theirs.ndim == 2 and layer in self.maps:
            maps = theirs.reshape(-1, *self.maps[layer])
            return np.ascontiguousarray(maps.transpose(channels_last)).reshape(-1, len(theirs))
        return np.ascontiguousarray(theirs.T)


def _with_batch_norms(layers: dict[str, str]) -> dict[str, str]:
    """Return a layout of blocks, each a convolution `conv` and a batch norm `bn`."""
    convolutions = {ours: f"{theirs}.conv" for ours, theirs in layers.items()}
    return convolutions | {f"{ours}_bn": f"{theirs}.bn" for ours, theirs in layers.items()}


_SUPERPOINT = NetworkConfig(width=1.0, batch_norm=False, descriptor_dim=256)
MAGIC_LEAP = Layout(
    name="Magic Leap's superpoint_v1.pth",
    network=_SUPERPOINT,
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
    network=dataclasses.replace(_SUPERPOINT, batch_norm=True),
    layers=_with_batch_norms(
        {
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
        }
    ),
    licence="rpautrat's weights are under the MIT licence (github.com/rpautrat/SuperPoint)",
    restricted=False,
)
TFEAT = Layout(
    name="TFeat's tfeat-liberty.params",
    network=NetworkConfig(system="tfeat"),
    layers={"conv_1": "features.1", "conv_2": "features.4", "fc_1": "descr.0"},
    licence="TFeat's weights are under the MIT licence (github.com/vbalnt/tfeat)",
    restricted=False,
    maps={"fc_1": (64, 8, 8)},
)
_HARDNET_PLACES = (0, 3, 6, 9, 12, 15, 19)  # of the convolutions; before the last there is a dropout
HARDNET = Layout(
    name="HardNet's checkpoint_liberty_with_aug.pth",
    network=NetworkConfig(system="hardnet"),
    layers={
        name: f"features.{place + after}"
        for number, place in enumerate(_HARDNET_PLACES, 1)
        for after, name in enumerate((f"conv_{number}", f"conv_{number}_bn"))
    },
    licence="HardNet's weights are under the MIT licence (github.com/DagnyT/hardnet)",
    restricted=False,
)
_BLOCKS = [
    (f"encoder_{number + 1}{part}", f"encoder.conv_blocks.{number}.conv_{part}") for number in range(4) for part in "ab"
]
HUGGING_FACE = dataclasses.replace(
    MAGIC_LEAP,
    name="Hugging Face's port of superpoint_v1.pth",
    layers={
        **dict(_BLOCKS),
        "detector_a": "keypoint_decoder.conv_score_a",
        "detector_b": "keypoint_decoder.conv_score_b",
        "descriptor_a": "descriptor_decoder.conv_descriptor_a",
        "descriptor_b": "descriptor_decoder.conv_descriptor_b",
    },
)
LAYOUTS = (MAGIC_LEAP, RPAUTRAT, HUGGING_FACE, TFEAT, HARDNET)


def convert(arrays: Mapping[str, np.ndarray], source: str) -> tuple[Weights, Layout]:
    """Return a state_dict, as arrays by PyTorch's names, as our weights, and which layout it was.

    All names may begin with the name of a part, as `module.` or `extractor.`; other parts are not looked at.
    Raises WeightsError, beginning with `source`, naming what is missing, unexpected, of another shape or not finite, or
    two parts that hold such a network.
    """
    found = {layout: prefixes for layout in LAYOUTS if (prefixes := layout.prefixes(arrays))}
    layout = max(found, key=lambda layout: max(found[layout].values()), default=None)
    if layout is None:
        known = " or ".join(
            f"{layout.their_name(f'{next(iter(layout.layers))}/kernel')} ({layout.name})" for layout in LAYOUTS
        )
        raise WeightsError(
            f"{source}: no layer has a name we know: {first_few(list(arrays))}; expected names as {known}"
        )
    (prefix, count), *others = found[layout].most_common(2)
    if others and others[0][1] == count:
        raise WeightsError(f"{source}: holds two networks, {prefix!r} and {others[0][0]!r}; save one of them by itself")
    arrays = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    shapes = weight_shapes(layout.network)
    problems = _differences(arrays, {layout.their_name(ours): _their_shape(shape) for ours, shape in shapes.items()})
    if problems:
        raise WeightsError(
            f"{source}: has layers of {layout.name} and differs from it: {problems}; only that network can be read"
        )
    return Weights(
        layout.network, {ours: layout.our_array(ours, arrays[layout.their_name(ours)]) for ours in shapes}
    ), layout


def _their_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]


def _differences(arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]]) -> str:
    counters = {name.replace("running_mean", _COUNTER) for name in expected if "running_mean" in name}
    kinds = {name: (arrays[name].dtype, arrays[name].shape) for name in expected if name in arrays}
    fitting = [name for name, kind in kinds.items() if kind == (np.float32, expected[name])]
    differences = {
        "missing": [name for name in expected if name not in arrays],
        "unexpected": [name for name in arrays if name not in expected and name not in counters],
        "another shape or type": [
            f"{name} {dtype} {shape} instead of float32 {expected[name]}"
            for name, (dtype, shape) in kinds.items()
            if name not in fitting
        ],
        # only of the right shape: a few bytes can pretend to be terabytes
        "not finite": [name for name in fitting if not np.isfinite(arrays[name]).all()],
    }
    return "; ".join(f"{what}: {first_few(names)}" for what, names in differences.items() if names)


def first_few(items: Sequence[str], count: int = 3) -> str:
    """Join the first few items, and say how many there are beyond them."""
    more = f" and {len(items) - count} more" if len(items) > count else ""
    return ", ".join(str(item)[:100] for item in items[:count]) + more
