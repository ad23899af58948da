"""The network of a config, whatever its system is."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.patch_shapes import patch_weight_shapes
from superpoint_tf.networks.stereo_network import build_stereo_network, stereo_weight_shapes
from superpoint_tf.networks.superpoint import build_dense_network, dense_weight_shapes
from superpoint_tf.systems import SYSTEMS, PatchSpec, StereoSpec


def build_network(config: NetworkConfig, seed: int = 0) -> tf.keras.Model:
    """Build the network of `config.system`; its random weights are a function of the seed.

    Those for pictures return `logits` and perhaps `descriptors` (`networks.superpoint`), those for patches `vector`
    or `score` (`networks.patch_network`), those for stereo pairs `mismatch` (`networks.stereo_network`); the sizes in
    `config` are of the first alone.
    """
    spec = SYSTEMS[config.system].network
    if isinstance(spec, PatchSpec):
        return build_patch_network(spec, config.system, seed)
    if isinstance(spec, StereoSpec):
        return build_stereo_network(spec, config.system, seed)
    return build_dense_network(spec, config, seed)


def weight_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_network`, by `layer/variable`, without building it."""
    spec = SYSTEMS[config.system].network
    if isinstance(spec, StereoSpec):
        return stereo_weight_shapes(spec)
    return patch_weight_shapes(spec) if isinstance(spec, PatchSpec) else dense_weight_shapes(spec, config)


def describes(config: NetworkConfig) -> bool:
    """Tell whether the network gives descriptors."""
    spec = SYSTEMS[config.system].network
    if isinstance(spec, StereoSpec):
        return False
    return isinstance(spec, PatchSpec) or spec.descriptor
