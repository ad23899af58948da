"""Comparing patches: a batch of points, each seen twice, and the losses of its system on vectors or on scores."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.distance_matrix import count_points, have_negatives, negatives_in
from superpoint_tf.losses.global_losses import orthogonality
from superpoint_tf.losses.pair_scores import SCORE_LOSSES, Scores, collapsed_score_loss, score_loss
from superpoint_tf.losses.patch_points import LossSettings, Points, Term
from superpoint_tf.losses.patch_samples import draw_partners, swap_patches, turn_patches
from superpoint_tf.losses.vector_losses import VECTOR_LOSSES, collapsed_vector_loss, vector_loss
from superpoint_tf.networks.patch_pairs import pair_scorer
from superpoint_tf.systems import SYSTEMS, VECTORS, PatchSpec
from superpoint_tf.training.objectives.objective import LossTerm, Objective, sits_at
from superpoint_tf.training.objectives.solved_objective import SolvedObjective
from superpoint_tf.training.replicas import cut


def patch_objective(config: Config) -> Objective:
    """Return the objective of what the system gives."""
    system = SYSTEMS[config.network.system]
    if system.solved:
        return SolvedObjective(config.network.system)
    return VectorObjective(config) if system.gives == VECTORS else ScoreObjective(config)


class _PointsObjective:
    """What both have in common.

    Negatives, and what is of a whole batch, are those of a replica's micro-batch; the loss is divided by the points
    that have a negative there.
    """

    term_names: tuple[str, ...] = ("desc",)  # the first one shows a collapse

    def __init__(self, config: Config) -> None:
        self._section, self._system = config.patches, SYSTEMS[config.network.system]
        self._loss = self._section.loss or self._system.losses[0]

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        count = tf.add_n([count_points(negatives) for negatives in self._negatives_of_parts(batch)])
        return dict.fromkeys(self.term_names, count)

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        total, points, name = 0.0, 0.0, self.term_names[0]
        for negatives in self._negatives_of_parts(batch):
            number = float(count_points(negatives))
            total += number * float(self._collapsed(negatives))
            points += number
        if points == 0:
            return (
                "no point of this batch has a patch in both views and another point to be told from: lower "
                "patches.half_side_px or patches.radius_px, or look at the labels"
            )
        collapsed = total / points
        if not (collapsed > 0 and sits_at(model_losses[name], collapsed)):
            return ""
        return f"the loss {name} sits at {collapsed:.4f}, what {self._collapse}, if it stays there"

    _collapse = ""  # how a collapse looks, and what to do

    def _collapsed(self, negatives: tf.Tensor) -> tf.Tensor:
        """Return the mean of the first term where nothing has been learnt."""
        raise NotImplementedError

    def _margin(self, paper: float) -> float:
        return paper if self._section.margin is None else self._section.margin

    def _negatives(self, batch: TensorBatch) -> tf.Tensor:
        return negatives_in(batch, self._section.radius_px)

    def _negatives_of_parts(self, batch: TensorBatch) -> list[tf.Tensor]:
        """Return the negatives of the micro-batches: a point's are those of its own one alone."""
        parts = self._section.accumulate
        return [self._negatives(cut(batch, index, parts)) for index in range(parts)]

    def _patches(self, batch: TensorBatch) -> tuple[tf.Tensor, tf.Tensor]:
        pair = batch["patches0"], batch["patches1"]
        return turn_patches(*pair, batch["loss_seeds"]) if self._section.flips else pair


class VectorObjective(_PointsObjective):
    """Train a network that describes patches by one of `VECTOR_LOSSES`; the first of its system is the paper's."""

    _collapse = (
        "equal descriptors of all patches would cost: lower patches.learning_rate, or begin with patches.loss=softmax"
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._row = VECTOR_LOSSES[self._loss]
        spec = self._system.network
        if self._row.taps and not (isinstance(spec, PatchSpec) and spec.taps):
            raise ConfigError(
                f"patches.loss: {self._loss} compares features within the network, and {config.network.system} gives "
                f"none; use {', '.join(name for name, row in VECTOR_LOSSES.items() if not row.taps)}"
            )
        self._settings = LossSettings(
            self._margin(self._row.margin), self._section.anchor_swap, self._section.mining_ratio
        )
        with_gor = self._section.gor_weight > 0
        self._terms: Mapping[str, Term] = {**self._row.terms, **({"gor": orthogonality} if with_gor else {})}
        self.term_names = tuple(self._terms)

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # One forward pass for both patches: batch normalisation then sees one set of statistics.
        outputs = model(tf.concat(self._patches(batch), axis=0), training=True)
        first, second = tf.split(outputs["vector"], 2)
        negatives = self._negatives(batch)
        taps = tuple(tuple(tf.split(_flat(each), 2)) for each in outputs.get("taps", ())) if self._row.taps else ()
        points = Points(first, second, negatives, draw_partners(negatives, batch["loss_seeds"]), taps)
        sums = vector_loss(points, self._terms, self._settings)
        return {name: LossTerm(total, self._weight(name)) for name, total in sums.items()}

    def _weight(self, name: str) -> float:
        return self._section.gor_weight if name == "gor" else 1.0

    def _collapsed(self, negatives: tf.Tensor) -> tf.Tensor:
        return collapsed_vector_loss(negatives, self._terms[self.term_names[0]], self._settings)


class ScoreObjective(_PointsObjective):
    """Train a network that compares patches by one of `SCORE_LOSSES`, on as many equal pairs as others.

    The negative of a point is one of the others, drawn at random; which of the two patches comes first, too.
    """

    _collapse = "the score 0 of all pairs would cost: raise or lower patches.learning_rate"

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        seeds, negatives = batch["loss_seeds"], self._negatives(batch)
        scorer = pair_scorer(model, *swap_patches(*self._patches(batch), seeds), training=True)
        rows = tf.range(negatives.shape[0])
        scores = scorer(tf.concat([rows, rows], 0), tf.concat([rows, draw_partners(negatives, seeds)], 0))
        positive, negative = tf.split(scores, 2)
        own = Scores(positive, negative, have_negatives(negatives))
        return {"desc": LossTerm(score_loss(own, self._loss, self._own_margin()), 1.0)}

    def _own_margin(self) -> float:
        return self._margin(SCORE_LOSSES[self._loss].margin)

    def _collapsed(self, negatives: tf.Tensor) -> tf.Tensor:
        return collapsed_score_loss(negatives, self._loss, self._own_margin())


def _flat(features: tf.Tensor) -> tf.Tensor:
    """Return features (P, ...) as vectors (P, F)."""
    return tf.reshape(features, (features.shape[0], -1))
