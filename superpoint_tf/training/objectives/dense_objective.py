"""Maps of features on pairs of views: one of `DENSE_LOSSES`."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.dense_losses import DENSE_LOSSES
from superpoint_tf.losses.dense_points import DenseSettings
from superpoint_tf.systems import SYSTEMS, MapSpec
from superpoint_tf.training.objectives.objective import LossTerm, sits_at


class DenseObjective:
    """Train a network of maps; the first loss of its system is the paper's."""

    def __init__(self, config: Config) -> None:
        section, system = config.dense, SYSTEMS[config.network.system]
        assert isinstance(system.network, MapSpec)  # the config's rules say so
        self._row = DENSE_LOSSES[section.loss or system.losses[0]]
        margin = self._row.margin if section.margin is None else section.margin
        radius_px = self._row.radius_px if section.radius_px is None else section.radius_px
        self._settings = DenseSettings(margin, radius_px, section.min_points, system.network.first_px)
        self.term_names: tuple[str, ...] = self._row.terms

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return self._row.counts(batch, self._settings)

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # One forward pass for both views: batch normalisation then sees one set of statistics.
        outputs = model(tf.concat([batch["images0"], batch["images1"]], axis=0), training=True)
        first, second = ({name: tf.split(value, 2)[view] for name, value in outputs.items()} for view in (0, 1))
        sums = self._row.sums(first, second, batch, self._settings)
        return {name: LossTerm(total, 1.0) for name, total in sums.items()}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        name = self.term_names[0]
        if float(self.counts(batch)[name]) == 0:
            return (
                "no pair of this batch has points in both views to train on: lower dense.min_points or the ranges of "
                "photographs.homography"
            )
        collapsed = self._row.collapsed(self._settings) if self._row.collapsed else 0.0
        if not (collapsed > 0 and sits_at(model_losses[name], collapsed)):
            return ""
        return (
            f"the loss {name} sits at {collapsed:.4f}, what equal descriptors everywhere would cost: if it stays "
            "there, begin with dense.loss=softmax and go on from its weights (dense.init), or lower dense.learning_rate"
        )
