"""Batches for LF-Net: two views of each picture, and how hard its negatives are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.dense_batch import DenseSettings, dense_batch
from superpoint_tf.data.views import ViewSettings

_LEAST, _FALL = 5, 0.9


@dataclass(frozen=True)
class LfnetSettings:
    """What decides how samples become pairs."""

    views: ViewSettings
    hardest: int = 64  # negatives are drawn from so many at first
    fall_every: int = 6000  # samples, after which it is .9 of that


def lfnet_batch(batch: TensorBatch, key: int, settings: LfnetSettings) -> TensorBatch:
    """Do `dense_batch` without points: the network finds its own. Adds `hardest` int32 (B,).

    That is hardest x .9^(number / fall_every), at least 5: a function of the sample's number, so that a run that was
    stopped goes on with it.
    """
    pairs = dense_batch(batch, key, DenseSettings(settings.views, points_per_pair=1))
    del pairs["points0"], pairs["points1"]
    falls = tf.cast(batch["numbers"], tf.float32) / settings.fall_every
    hardest = tf.round(settings.hardest * tf.exp(math.log(_FALL) * falls))
    return {**pairs, "hardest": tf.maximum(tf.cast(hardest, tf.int32), _LEAST)}
