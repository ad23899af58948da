"""Trained patch systems as methods: vectors by their distance, pairs by the system's own score."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.data.patch_sets.hpatches_strips import resize_patches
from superpoint_tf.evaluation.methods.patch_method import Describe, PatchMethod
from superpoint_tf.networks.weights import load_network, load_weights
from superpoint_tf.systems import SCORES, SYSTEMS, VECTORS, PatchSpec

_BLOCK = 512  # patches, or pairs, at a time
# Pairs that a task may ask a network to score: a head of vectors is quick, a network that sees both patches is not.
_MOST_BY_HEAD, _MOST_TOGETHER = 3_000_000, 50_000


def load_patch_network(name: str, what: str) -> PatchMethod:
    """Return the method of a weights file, run folder or checkpoint; raises WeightsError for one of no patch system."""
    system = SYSTEMS[load_weights(what).network.system]
    network, weights = load_network(what, gives=SCORES if system.gives == SCORES else VECTORS)
    spec = system.network
    assert isinstance(spec, PatchSpec)  # what gives vectors or scores is
    identity = {
        "kind": "weights",
        "from": what,
        "system": weights.network.system,
        "weights_sha256": weights.fingerprint(),
        "tensorflow": tf.__version__,
    }
    return method_of(name, identity, network, spec)


def method_of(name: str, identity: dict[str, Any], network: tf.keras.Model, spec: PatchSpec) -> PatchMethod:
    """Return the method of a network of `build_patch_network` and its row."""
    if not spec.head:
        return PatchMethod(name, identity, _describer(network, "vector", spec))
    parts = {layer.name: layer for layer in network.layers}
    if "head" in parts:
        describe0, describe1 = (_describer(parts.get(f"branch{view}", parts["branch0"]), "", spec) for view in (0, 1))
        untied = describe1 if "branch1" in parts else None
        return PatchMethod(name, identity, describe0, untied, _scorer(parts["head"], ""), _MOST_BY_HEAD)
    resize = functools.partial(resize_patches, side_px=spec.side_px)
    return PatchMethod(name, identity, resize, None, _scorer(network, "score"), _MOST_TOGETHER)


def _describer(network: tf.keras.Model, output: str, spec: PatchSpec) -> Describe:
    run = _compiled(network, output)

    def describe(patches: np.ndarray) -> np.ndarray:
        seen = resize_patches(patches, spec.side_px)
        vectors = _in_blocks(lambda rows: run(_unit(seen[rows])), len(seen))
        return np.packbits(vectors > 0, axis=1) if spec.binary and not spec.head else vectors

    return describe


def _scorer(network: tf.keras.Model, output: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    run = _compiled(network, output)

    def score(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return _in_blocks(lambda rows: run([_unit(side[rows]) for side in (first, second)]), len(first)).reshape(-1)

    return score


def _compiled(network: tf.keras.Model, output: str) -> Callable[[Any], tf.Tensor]:
    """Return the network as one graph for any number of rows; `output` is the name of its answer, empty: the only."""

    def run(inputs: Any) -> tf.Tensor:
        answer = network(inputs, training=False)
        return answer[output] if output else answer

    return tf.function(run, reduce_retracing=True)


def _unit(values: np.ndarray) -> tf.Tensor:
    """Return patches uint8 (N, S, S) as (N, S, S, 1) in [0, 1], vectors as they are."""
    return tf.constant(values[..., np.newaxis] / np.float32(255) if values.dtype == np.uint8 else values, tf.float32)


def _in_blocks(run: Callable[[slice], tf.Tensor], count: int) -> np.ndarray:
    return np.concatenate([run(slice(start, start + _BLOCK)).numpy() for start in range(0, count, _BLOCK)])
