"""What the losses of patches see: N points, each described twice, and one negative of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.losses.distance_matrix import have_negatives


class Points(NamedTuple):
    """Row i of `first` and row i of `second` describe one point; row `partners[i]` of `second` another one."""

    first: tf.Tensor  # (N, D)
    second: tf.Tensor  # (N, D)
    negatives: tf.Tensor  # bool (N, N): which may be whose negative
    partners: tf.Tensor  # int32 (N,), a negative of each; any row where it has none
    taps: tuple[tuple[tf.Tensor, tf.Tensor], ...] = ()  # features (N, F) of both patches in layers within the network

    @property
    def counted(self) -> tf.Tensor:
        """Return which points have a negative, bool (N,); what the others cost is left out."""
        return have_negatives(self.negatives)


class LossSettings(NamedTuple):
    """What a loss of patches may be told; each takes what it knows."""

    margin: float = 0.0
    anchor_swap: bool = True  # the negative is compared with the nearer one of the two patches
    mining_ratio: int = 1  # of so many pairs the hardest one trains


Term = Callable[[Points, LossSettings], tf.Tensor]  # a cost of every point, (N,)


def mean_over(values: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return the mean over the rows that count (N, ...), or 0 if none does."""
    weights = tf.cast(counted, values.dtype)
    total = tf.tensordot(weights, tf.where(tf.reshape(counted, _column(values)), values, tf.zeros_like(values)), 1)
    return total / tf.maximum(tf.reduce_sum(weights), 1.0)


def _column(values: tf.Tensor) -> list[int]:
    return [-1] + [1] * (values.shape.rank - 1)


def spread(value: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return a cost of the whole batch as the cost of each point, (N,): their mean is that cost."""
    return tf.where(counted, value, tf.zeros_like(value))
