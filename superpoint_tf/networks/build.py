"""The network of a config, whatever its system is."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.map_networks import build_map_network, map_weight_shapes
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.patch_shapes import patch_weight_shapes
from superpoint_tf.networks.residual_network import with_class_heads
from superpoint_tf.networks.superpoint import build_dense_network, dense_weight_shapes
from superpoint_tf.systems import SYSTEMS, MapSpec, PatchSpec


def build_network(config: NetworkConfig, seed: int = 0) -> tf.keras.Model:
    """Build the network of `config.system`; its random weights are a function of the seed.

    MagicPoint and SuperPoint return `logits` and perhaps `descriptors` (`networks.superpoint`), other networks for
    pictures what `networks.map_networks` says, those for patches `vector` or `score` (`networks.patch_network`); the
    sizes in `config` are of the first two alone. With `config.classes` it has the heads that train it, too.
    """
    spec = SYSTEMS[config.system].network
    if isinstance(spec, PatchSpec):
        return build_patch_network(spec, config.system, seed)
    if isinstance(spec, MapSpec):
        network = build_map_network(spec, config.system, seed)
        return with_class_heads(network, config.classes, seed) if config.classes else network
    return build_dense_network(spec, config, seed)


def weight_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_network`, by `layer/variable`, without building it."""
    spec = SYSTEMS[config.system].network
    if isinstance(spec, PatchSpec):
        return patch_weight_shapes(spec)
    return map_weight_shapes(spec) if isinstance(spec, MapSpec) else dense_weight_shapes(spec, config)


def describes(config: NetworkConfig) -> bool:
    """Tell whether the network gives descriptors."""
    spec = SYSTEMS[config.system].network
    return isinstance(spec, PatchSpec) or spec.descriptor
