"""The losses of networks that tell matching patches of a rectified pair from wrong ones: the rows of `STEREO_LOSSES`.

A point gives two mismatches, larger = less alike: of its left patch with the right one that shows it, and with one
beside that. A new loss is a function here, its row, and its name in the row of a system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


def _margin(positive: tf.Tensor, negative: tf.Tensor, margin: float) -> tf.Tensor:
    """max(0, m + s- - s+), where a similarity s is minus a mismatch (Zbontar and LeCun 2016, section 3.1)."""
    return tf.nn.relu(margin + positive - negative)


def _cross_entropy(positive: tf.Tensor, negative: tf.Tensor, margin: float) -> tf.Tensor:
    """-log(1 - p+) - log(p-), halved, p the sigmoid of a mismatch: the target of a match is 0 (section 3.2)."""
    return (tf.nn.softplus(positive) + tf.nn.softplus(-negative)) / 2.0


class StereoLoss(NamedTuple):
    """One loss."""

    function: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]  # mismatches (P,) twice, margin; to costs (P,)


STEREO_LOSSES: dict[str, StereoLoss] = {"margin": StereoLoss(_margin), "cross_entropy": StereoLoss(_cross_entropy)}


def stereo_loss(positive: tf.Tensor, negative: tf.Tensor, counted: tf.Tensor, loss: str, margin: float) -> tf.Tensor:
    """Return a loss of `STEREO_LOSSES` added up over the points that are `counted` bool (P,)."""
    costs = STEREO_LOSSES[loss].function(positive, negative, margin)
    return tf.reduce_sum(tf.where(counted, costs, tf.zeros_like(costs)))


def collapsed_stereo_loss(loss: str, margin: float) -> float:
    """Return what a point costs of a network that gives all pairs the mismatch 0."""
    zero = tf.zeros((1,))
    return float(stereo_loss(zero, zero, tf.constant([True]), loss, margin))
