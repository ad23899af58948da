"""Losses and gradients of a batch: computed on every replica, in one piece or by micro-batches, and added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.training.replicas import Replicas, cut
from superpoint_tf.training.tasks import Task


class Share(NamedTuple):
    """What a part of a batch adds to its update."""

    gradients: list[tf.Tensor]  # of the weighted total, times the loss scale
    values: tf.Tensor  # total and loss terms, float32


class BatchGradients:
    """The gradients of a task's losses; a `share` is held by every replica until `reduce` adds them up.

    A method `_replica_...` runs on each replica, on its samples; the others run once for all of them. All are called
    inside compiled functions.
    """

    def __init__(
        self,
        task: Task,
        replicas: Replicas,
        model: tf.keras.Model,
        trainable: Mapping[str, tf.Variable],
        loss_scale: float,
    ) -> None:
        self._task, self._replicas, self._model, self._loss_scale = task, replicas, model, loss_scale
        self._trainable = list(trainable.values())
        self._run = replicas.strategy.run
        self.names = ["total", *task.objective.term_names]

    def of_batch(self, batch: TensorBatch) -> Any:
        """Return the share of a whole batch."""
        return self._run(self._replica_whole, (batch,))

    def begin(self, batch: TensorBatch) -> Any:
        """Return the counts of a whole batch by loss term, and an empty share to `add` micro-batches to."""
        # Counts depend on the data alone. With those of the whole batch known first, every micro-batch's gradient is
        # divided by its final denominator: exact, and one backward pass whatever the number of loss terms.
        return self._run(self._replica_begin, (batch,))

    def add(self, batch: TensorBatch, index: tf.Tensor, counts: Any, share: Any) -> Any:
        """Return the share with that of micro-batch number `index`."""
        return self._run(self._replica_add, (batch, index, counts, share))

    def reduce(self, share: Any, stop: tf.Tensor) -> Any:
        """Add up over all replicas; return the gradients, and their norm, the losses and the stops."""
        return self._run(self._replica_reduce, (share, stop))

    def _replica_whole(self, batch: TensorBatch) -> Share:
        own = self._replicas.part(batch)
        return self._share_of(own, self._replica_counts(own))

    def _replica_counts(self, own: TensorBatch) -> dict[str, tf.Tensor]:
        counts: dict[str, tf.Tensor] = tf.distribute.get_replica_context().all_reduce(
            "sum", self._task.objective.counts(own)
        )
        return counts

    def _replica_begin(self, batch: TensorBatch) -> tuple[dict[str, tf.Tensor], Share]:
        zeros = [tf.zeros_like(variable) for variable in self._trainable]
        return self._replica_counts(self._replicas.part(batch)), Share(zeros, tf.zeros(len(self.names)))

    def _replica_add(
        self, batch: TensorBatch, index: tf.Tensor, counts: Mapping[str, tf.Tensor], share: Share
    ) -> Share:
        micro_batch = cut(self._replicas.part(batch), index, self._task.settings.accumulate)
        more = self._share_of(micro_batch, counts)
        return Share([a + b for a, b in zip(share.gradients, more.gradients, strict=True)], share.values + more.values)

    def _share_of(self, batch: TensorBatch, counts: Mapping[str, tf.Tensor]) -> Share:
        """Return what a batch, or a part of one that has `counts` as a whole, adds to gradients and losses."""
        with tf.GradientTape() as tape:
            terms = self._task.objective.loss_terms(self._model, batch)
            means = {name: term.sum / tf.maximum(counts[name], 1.0) for name, term in terms.items()}
            total = tf.add_n([term.weight * means[name] for name, term in terms.items()])
            scaled = total * self._loss_scale
        # A term that has no part in the loss may be all that a weight serves.
        gradients = tape.gradient(scaled, self._trainable, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        values = tf.stack([total, *(means[name] for name in self.names[1:])])
        return Share([tf.convert_to_tensor(gradient) for gradient in gradients], values)

    def _replica_reduce(self, share: Share, stop: tf.Tensor) -> tuple[list[tf.Tensor], tuple[tf.Tensor, ...]]:
        context = tf.distribute.get_replica_context()
        here = tf.identity(stop)  # on this replica's device
        *gradients, values, stops = context.all_reduce("sum", [*share.gradients, share.values, here])
        gradients = [gradient / self._loss_scale for gradient in gradients]
        return gradients, (tf.linalg.global_norm(gradients), values, stops)
