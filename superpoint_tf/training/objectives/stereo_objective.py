"""Comparing patches of rectified pairs: each left patch with the right one of its point and with a wrong one."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.stereo_losses import collapsed_stereo_loss, stereo_loss
from superpoint_tf.systems import SYSTEMS
from superpoint_tf.training.objectives.objective import LossTerm, sits_at


class StereoObjective:
    """Train a stereo network by one of `STEREO_LOSSES`; the first of its system is the paper's."""

    term_names: tuple[str, ...] = ("cost",)

    def __init__(self, config: Config) -> None:
        self._loss = config.stereo.loss or SYSTEMS[config.network.system].losses[0]
        self._margin = config.stereo.margin

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return {"cost": tf.reduce_sum(tf.cast(batch["valid"], tf.float32))}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # each left patch is described once, though two pairs have it
        parts = {layer.name: layer for layer in model.layers}
        patches = tf.concat([batch[name] for name in ("left", "positive", "negative")], axis=0)
        left, positive, negative = tf.split(parts["describe"](patches, training=True), 3)
        pairs = [tf.concat([left, left], axis=0), tf.concat([positive, negative], axis=0)]
        matching, wrong = tf.split(tf.reshape(parts["head"](pairs, training=True), (-1,)), 2)
        return {"cost": LossTerm(stereo_loss(matching, wrong, batch["valid"], self._loss, self._margin), 1.0)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        if not bool(tf.reduce_any(batch["valid"])):
            return "no pair of this batch has a point whose disparity is known: look at stereo.data"
        collapsed = collapsed_stereo_loss(self._loss, self._margin)
        if not sits_at(model_losses["cost"], collapsed):
            return ""
        return (
            f"the loss cost sits at {collapsed:.4f}, what equal mismatches of all pairs would cost: lower "
            "stereo.learning_rate, if it stays there"
        )
