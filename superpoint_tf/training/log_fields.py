"""What a training logs of its steps: sums since the last report, by name.

A new field is a name beside those of the loss terms and a value in what `add` is given. The sums are a part of the
checkpoint, whose shape it changes: runs begun before cannot be resumed.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


class LogFields:
    """Sums of values by name over steps; their variables are kept in checkpoints."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.sums = tf.Variable(tf.zeros(len(self.names), tf.float64))
        self.num_summed = tf.Variable(0, dtype=tf.int64)

    def add(self, values: tf.Tensor) -> None:
        """Add the values (N,) of one step, in the order of the names; may be a part of a graph."""
        self.sums.assign_add(tf.cast(values, tf.float64))
        self.num_summed.assign_add(1)

    def take_means(self) -> dict[str, float]:
        """Return the means since the last call, and start anew."""
        means = self.sums.numpy() / max(int(self.num_summed), 1)
        self.sums.assign(tf.zeros_like(self.sums))
        self.num_summed.assign(0)
        return {name: float(value) for name, value in zip(self.names, means, strict=True)}
