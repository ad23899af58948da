"""The images of the data that some networks of patches subtract: taken from the first samples of a training."""

from __future__ import annotations

import itertools

import numpy as np

from superpoint_tf.config import ConfigError
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.networks.patch_inputs import INPUTS
from superpoint_tf.systems import SYSTEMS, PatchSpec
from superpoint_tf.training.tasks import Task

_NUM_PATCHES = 1024  # at least


def first_patches(task: Task) -> np.ndarray | None:
    """Return patches (N, S, S, 1) of the first batches, the same on every worker; None if the network needs none.

    It needs none with weights to begin from: the images are among them. Raises ConfigError if the pictures have none.
    """
    spec = SYSTEMS[task.config.network.system].network
    if not isinstance(spec, PatchSpec) or not INPUTS[spec.input].images or task.settings.init:
        return None
    size, number = task.settings.num_samples, -(-_NUM_PATCHES // (2 * task.settings.batch_size))
    with BatchStream(task.source, task.kind, size, task.source.key, task.views, workers=0) as stream:
        batches = list(itertools.islice(stream.batches(), number))
    patches = np.concatenate(
        [batch[name].numpy()[batch["valid"].numpy()] for batch in batches for name in ("patches0", "patches1")]
    )
    if not len(patches):
        raise ConfigError(
            f"{task.source.description}: the first {number * size} samples have no patch to take the mean image of; "
            "lower patches.half_side_px or patches.support, or look at the pictures"
        )
    return patches
