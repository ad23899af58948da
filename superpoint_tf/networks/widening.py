"""Weights of a narrow network as those of a wider one that computes the same (Net2Net, Chen et al. 2016, section 3)."""

from __future__ import annotations

import dataclasses

import numpy as np

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import describes, weight_shapes
from superpoint_tf.networks.weights import Weights, WeightsError
from superpoint_tf.systems import MAPS, SYSTEMS

_SHARES = (0.25, 0.75)  # of what a pair of copies passes on, each drawn from here


def can_widen(weights: Weights, network: NetworkConfig) -> bool:
    """Tell whether the weights of `network` differ from these in nothing but a greater width; pooling has none."""
    narrow = weights.network
    if SYSTEMS[narrow.system].gives != MAPS or SYSTEMS[network.system].gives != MAPS:
        return False  # the others have no width
    dimension = narrow.descriptor_dim if describes(narrow) else network.descriptor_dim  # a detector has none
    narrow = dataclasses.replace(narrow, descriptor_dim=dimension, pooling=network.pooling, system=network.system)
    widened = dataclasses.replace(narrow, width=network.width)
    return narrow.width < network.width and widened == network


def widen_weights(weights: Weights, network: NetworkConfig, seed: int = 0) -> Weights:
    """Return weights for the wider `network`, with the outputs of a narrow one of its pooling, up to rounding.

    Channel j of a wider layer is a copy of channel j mod n of the n there were. The copies of one channel divide among
    themselves what it passed on, in shares drawn for every weight: each then has a gradient of its own, and training
    makes them different. Raises WeightsError if the networks differ in more than width, or `network` is not the wider.
    """
    if not can_widen(weights, network):
        raise WeightsError(f"weights for {weights.network} cannot be widened to {network}: only a greater width fits")
    generator = np.random.default_rng(seed)
    network = network.with_system(weights.network.system)
    arrays = {name: _widen(weights.arrays[name], shape, generator) for name, shape in weight_shapes(network).items()}
    return Weights(network, arrays, weights.step)


def _widen(array: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Repeat the last axis, the outputs; of a kernel (h, w, inputs, outputs) divide the inputs among their copies."""
    array = np.take(array, np.arange(shape[-1]) % array.shape[-1], axis=-1)
    if len(shape) == 1 or array.shape[2] == shape[2]:
        return array
    origins = np.arange(shape[2]) % array.shape[2]
    # one share for a copy and an output: all pixels of a filter keep their proportions
    shares = generator.uniform(*_SHARES, (shape[2], shape[3]))
    for origin in range(array.shape[2]):
        copies = origins == origin
        shares[copies] /= shares[copies].sum(axis=0)
    return (array[:, :, origins] * shares).astype(np.float32)
