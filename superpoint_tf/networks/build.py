"""The network of a config, whatever its system is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.crop_network import build_crop_network, crop_weight_shapes
from superpoint_tf.networks.digit_network import build_digit_network, digit_weight_shapes
from superpoint_tf.networks.map_networks import build_map_network, map_weight_shapes
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.patch_shapes import patch_weight_shapes
from superpoint_tf.networks.residual_network import with_class_heads
from superpoint_tf.networks.stereo_network import build_stereo_network, stereo_weight_shapes
from superpoint_tf.networks.superpoint import build_dense_network, dense_weight_shapes
from superpoint_tf.systems import SYSTEMS, CropSpec, DenseSpec, DigitSpec, MapSpec, PatchSpec, StereoSpec


class _Kind(NamedTuple):
    build: Callable[[Any, str, int], tf.keras.Model]  # of a row, its name and a seed
    shapes: Callable[[Any], dict[str, tuple[int, ...]]]


_KINDS: dict[type, _Kind] = {  # by what a row of the table of systems holds; the sizes of any other are in its config
    MapSpec: _Kind(build_map_network, map_weight_shapes),
    PatchSpec: _Kind(build_patch_network, patch_weight_shapes),
    CropSpec: _Kind(build_crop_network, crop_weight_shapes),
    DigitSpec: _Kind(build_digit_network, digit_weight_shapes),
    StereoSpec: _Kind(build_stereo_network, stereo_weight_shapes),
}


def build_network(config: NetworkConfig, seed: int = 0) -> tf.keras.Model:
    """Build the network of `config.system`; its random weights are a function of the seed.

    MagicPoint and SuperPoint return `logits` and perhaps `descriptors` (`networks.superpoint`); the sizes in `config`
    are theirs. What others return is said where they are built (`_KINDS`). With `config.classes` it has the heads
    that train it, too.
    """
    spec = SYSTEMS[config.system].network
    if kind := _KINDS.get(type(spec)):
        network = kind.build(spec, config.system, seed)
        return with_class_heads(network, config.classes, seed) if config.classes else network
    assert isinstance(spec, DenseSpec)  # all others are in the table
    return build_dense_network(spec, config, seed)


def weight_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_network`, by `layer/variable`, without building it."""
    spec = SYSTEMS[config.system].network
    if kind := _KINDS.get(type(spec)):
        return kind.shapes(spec)
    assert isinstance(spec, DenseSpec)
    return dense_weight_shapes(spec, config)


def describes(config: NetworkConfig) -> bool:
    """Tell whether the network gives descriptors."""
    return bool(SYSTEMS[config.system].network.descriptor)
