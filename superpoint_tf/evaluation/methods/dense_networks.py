"""Networks with a map of descriptors as dense methods: trained ones, and those of a config before any training."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.config.config_files import load_config
from superpoint_tf.detection.score_maps import spec_of
from superpoint_tf.evaluation.methods.dense_method import DenseMethod
from superpoint_tf.evaluation.pck_metrics import DescriptorMap
from superpoint_tf.models.images import prepare_image
from superpoint_tf.models.inference import CompiledInference
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.networks.weights import initial_network, load_network


def load_dense_network(name: str, what: str) -> DenseMethod:
    """Return the method of weights or of `config.yaml`; raises WeightsError or ValueError for what has no map."""
    untrained = what.endswith((".yaml", ".yml"))
    network, weights = initial_network(load_config(what)) if untrained else load_network(what)
    if "descriptors" not in network.output:
        raise ValueError(f"--methods {name}: {what} gives no map of descriptors; name weights of a network that does")
    identity: dict[str, Any] = {
        "kind": "untrained network" if untrained else "weights",
        "from": what,
        "system": network.name,
        "weights_sha256": weights.fingerprint(),
        "tensorflow": tf.__version__,
    }
    return dense_method_of(name, identity, network)


def dense_method_of(name: str, identity: dict[str, Any], network: tf.keras.Model) -> DenseMethod:
    """Return the method of a network: unit descriptors, at the places that its row says."""
    spec = spec_of(network)

    def run(images: tf.Tensor) -> tf.Tensor:
        return normalize_descriptors(network(images, training=False)["descriptors"])

    forward = CompiledInference(run, tf.TensorSpec((None, None, None, 1), tf.float32))

    def describe(image: np.ndarray) -> DescriptorMap:
        return DescriptorMap(forward(prepare_image(image)[None]).numpy()[0], spec.stride, spec.first_px)

    return DenseMethod(name, identity, describe)
