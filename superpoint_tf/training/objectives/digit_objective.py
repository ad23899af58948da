"""Telling digits apart: cross-entropy over the ten."""

from __future__ import annotations

import math

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.training.objectives.objective import LossTerm, sits_at


class DigitObjective:
    """Train a network that gives one number of each digit."""

    term_names: tuple[str, ...] = ("digit",)

    def __init__(self, config: Config) -> None:
        pass  # no setting decides anything here

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return {"digit": tf.cast(tf.size(batch["labels"]), tf.float32)}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        logits = model(batch["images"], training=True)["logits"]
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(batch["labels"], logits)
        return {"digit": LossTerm(tf.reduce_sum(entropy), 1.0)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        if not sits_at(model_losses["digit"], math.log(10)):
            return ""
        return "the loss sits at ln 10, what a guess costs, if it stays there: lower digits.learning_rate"
