"""The principal components of DELF's features, taken from the first photographs of the training of its attention."""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf

from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.networks.residual_network import principal_components
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.training.tasks import Task

_NUM_VIEWS = 256  # at least, with all of their features


def set_reduction(task: Task, network: tf.keras.Model) -> None:
    """Set the network's reduction where its attention is about to be trained; nothing elsewhere.

    The components are those of features of unit length of the first views of the training, the same on every worker.
    """
    if task.config.train != "classes" or task.config.classes.stage != "attention":
        return
    size = task.settings.num_samples
    with BatchStream(task.source, task.kind, size, task.source.key, task.views, workers=0) as stream:
        batches = itertools.islice(stream.batches(), -(-_NUM_VIEWS // (2 * size)))
        vectors = [
            normalize_descriptors(network(batch[name], training=False)["features"]).numpy()
            for batch in batches
            for name in ("images0", "images1")
        ]
    reduction = network.get_layer("reduction")
    stacked = np.concatenate([each.reshape(-1, each.shape[-1]) for each in vectors])
    reduction.set_components(*principal_components(stacked, reduction.dimension))
