"""Descriptors of patches: a loss on the distances between all points of a batch, each seen twice."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.distance_matrix import collapsed_matrix_loss, count_points, matrix_loss, negatives_in
from superpoint_tf.systems import SYSTEMS
from superpoint_tf.training.objectives.objective import LossTerm, sits_at
from superpoint_tf.training.replicas import cut


class PatchObjective:
    """Train a network of patches by one of the losses of its system; the first is the paper's.

    Negatives are those of a replica's micro-batch; the loss is divided by the points that have one in its batch.
    """

    term_names: tuple[str, ...] = ("desc",)

    def __init__(self, config: Config) -> None:
        self._margin, self._radius_px = config.patches.margin, config.patches.radius_px
        self._accumulate = config.patches.accumulate
        self._loss = config.patches.loss or SYSTEMS[config.network.system].losses[0]

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return {"desc": count_points(self._negatives(batch))}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # One forward pass for both patches: batch normalisation then sees one set of statistics.
        vectors = model(tf.concat([batch["patches0"], batch["patches1"]], axis=0), training=True)["vector"]
        first, second = tf.split(vectors, 2)
        return {"desc": LossTerm(matrix_loss(first, second, self._negatives(batch), self._loss, self._margin), 1.0)}

    def _negatives(self, batch: TensorBatch) -> tf.Tensor:
        return negatives_in(batch, self._radius_px)

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        total, points = 0.0, 0.0
        for index in range(self._accumulate):  # the candidates of a point are those of its micro-batch
            negatives = self._negatives(cut(batch, index, self._accumulate))
            number = float(count_points(negatives))
            total += number * float(collapsed_matrix_loss(negatives, self._loss, self._margin))
            points += number
        if points == 0:
            return (
                "no point of this batch has a patch in both views and another point to be told from: lower "
                "patches.half_side_px or patches.radius_px, or look at the labels"
            )
        collapsed = total / points
        if not (collapsed > 0 and sits_at(model_losses["desc"], collapsed)):
            return ""
        return (
            f"the loss sits at {collapsed:.4f}, what equal descriptors of all patches would cost: lower "
            "patches.learning_rate, or begin with patches.loss=softmax, if it stays there"
        )
