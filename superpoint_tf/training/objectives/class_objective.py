"""Telling photographs apart: cross-entropy over all of them, of what the stage's part of the network says of a view."""

from __future__ import annotations

import math

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.training.objectives.objective import LossTerm, sits_at


class ClassObjective:
    """Train the body or the attention of DELF (Noh et al. 2017, section 3)."""

    term_names: tuple[str, ...] = ("class",)

    def __init__(self, config: Config) -> None:
        self._logits, self._classes = f"{config.classes.stage}_logits", config.network.classes

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return {"class": tf.cast(2 * tf.size(batch["pictures"]), tf.float32)}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # One forward pass for both views: batch normalisation then sees one set of statistics.
        outputs = model(tf.concat([batch["images0"], batch["images1"]], axis=0), training=True)
        classes = tf.concat([batch["pictures"]] * 2, axis=0)
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=outputs[self._logits])
        return {"class": LossTerm(tf.reduce_sum(entropy), 1.0)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        guess = math.log(self._classes) if self._classes > 1 else 0.0
        if not (guess > 0 and sits_at(model_losses["class"], guess)):
            return ""
        return (
            f"the loss class sits at {guess:.3f}, what a guess among {self._classes} photographs costs: raise or lower "
            "classes.learning_rate if it stays there"
        )
