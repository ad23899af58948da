"""LIFT, one network after the other: descriptor, orientation through it, detector through both."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.distance_matrix import count_points, negatives_in
from superpoint_tf.losses.lift_losses import class_loss, pair_loss, soft_maximum
from superpoint_tf.losses.patch_points import LossSettings, Points
from superpoint_tf.losses.patch_samples import draw_partners
from superpoint_tf.losses.vector_losses import VECTOR_LOSSES, collapsed_vector_loss, vector_loss
from superpoint_tf.networks import lift_chain
from superpoint_tf.training.objectives.objective import LossTerm, sits_at
from superpoint_tf.training.replicas import cut

_TERMS = {"descriptor": ("desc",), "orientation": ("pair",), "detector": ("class", "pair")}
_DESCRIPTOR_LOSS = VECTOR_LOSSES["mined_pairs"]


class LiftObjective:
    """Train the network that `lift.trainable` names; the layers of the others are frozen."""

    def __init__(self, config: Config) -> None:
        self._section = config.lift
        self.term_names: tuple[str, ...] = _TERMS[config.lift.trainable]
        self._settings = LossSettings(config.lift.margin, mining_ratio=config.lift.mining_ratio)

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        parts = [cut(batch, index, self._section.accumulate) for index in range(self._section.accumulate)]
        counts = {
            "desc": lambda part: count_points(self._negatives(part)),
            "pair": lambda part: _number(part["valid"]),
            "class": lambda part: _number(self._classed(part)),
        }
        return {name: tf.add_n([counts[name](part) for part in parts]) for name in self.term_names}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        patches = tf.concat([batch["patches0"], batch["patches1"]], axis=0)
        if self._section.trainable == "descriptor":
            return {"desc": LossTerm(self._descriptor_loss(model, patches, batch), 1.0)}
        terms: dict[str, LossTerm] = {}
        places = lift_chain.middle(patches)
        if self._section.trainable == "detector":
            scores = lift_chain.score_maps(model, patches)
            places = lift_chain.locate(scores)
            terms["class"] = LossTerm(self._class_loss(model, scores, batch), self._section.class_weight)
        towards = lift_chain.directions(model, patches, places, training=True)
        vectors = lift_chain.describe(model, patches, places, towards, training=True)
        first, second = tf.split(vectors, 2)
        return terms | {"pair": LossTerm(pair_loss(first, second, batch["valid"]), 1.0)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        if not tf.reduce_any(batch["valid"]):
            return "no keypoint of this batch has a patch of 24 of its sigmas in both views: look at the photographs"
        if self._section.trainable != "descriptor":
            return ""
        term = _DESCRIPTOR_LOSS.terms["desc"]
        collapsed = float(collapsed_vector_loss(self._negatives(batch), term, self._settings))
        if not (collapsed > 0 and sits_at(model_losses["desc"], collapsed)):
            return ""
        return (
            f"the loss desc sits at {collapsed:.4f}, what equal descriptors of all patches would cost: change "
            "lift.learning_rate, or begin with lift.mining_ratio=1, if it stays there"
        )

    def _negatives(self, batch: TensorBatch) -> tf.Tensor:
        return negatives_in(batch, self._section.radius_px)

    def _classed(self, batch: TensorBatch) -> tf.Tensor:
        """Return which rows have all four patches, bool (P,)."""
        return batch["valid"] & batch["valid_empty"] & tf.reduce_any(self._negatives(batch), axis=1)

    def _descriptor_loss(self, model: tf.keras.Model, patches: tf.Tensor, batch: TensorBatch) -> tf.Tensor:
        places = lift_chain.middle(patches)
        upright = tf.broadcast_to(tf.constant([1.0, 0.0]), tf.shape(places))
        first, second = tf.split(lift_chain.describe(model, patches, places, upright, training=True), 2)
        negatives = self._negatives(batch)
        points = Points(first, second, negatives, draw_partners(negatives, batch["loss_seeds"]))
        return vector_loss(points, _DESCRIPTOR_LOSS.terms, self._settings)["desc"]

    def _class_loss(self, model: tf.keras.Model, scores: tf.Tensor, batch: TensorBatch) -> tf.Tensor:
        first, second = tf.split(soft_maximum(scores), 2)
        empty = soft_maximum(lift_chain.score_maps(model, batch["patches_empty"]))
        partners = draw_partners(self._negatives(batch), batch["loss_seeds"])
        costs = class_loss(first, second, partners, empty)
        return tf.reduce_sum(tf.where(self._classed(batch), costs, 0.0))


def _number(rows: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(rows, tf.float32))
