"""What a training minimises: loss terms as sums, and what each is divided by."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch


class LossTerm(NamedTuple):
    """A loss as a sum, to be divided by its count over the whole batch once the shares of the batch are added up."""

    sum: tf.Tensor
    weight: float  # in the total


class Objective(Protocol):
    """The loss terms of one kind of batch."""

    term_names: tuple[str, ...]  # in order

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        """Return what each loss term is divided by, float32 scalars; they need no network and add up over shares."""
        ...

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        """Return the loss terms of one batch, or of a share of it, by their short names."""
        ...

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        """Return a sentence if the mean losses show a known failure, else an empty one."""
        ...


def sits_at(loss: float, collapsed: float) -> bool:
    """Tell whether a mean loss is what a collapsed descriptor would cost, within 2 %."""
    return abs(loss - collapsed) <= 0.02 * collapsed
