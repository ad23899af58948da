"""The kinds of batch, by the section of the config that trains on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.views import ViewSettings


class BatchKind(NamedTuple):
    """What an objective sees, made of what workers hand over."""

    two_pictures: bool  # of each sample, under photometric changes of their own
    assemble: Callable[[TensorBatch, int, ViewSettings], TensorBatch]  # batch, key of the stage; inside one graph


BATCHES = {"detector": BatchKind(False, detector_batch), "joint": BatchKind(True, pair_batch)}
