"""The detector alone: cross-entropy over cells (paper equation 2)."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.detector_loss import count_cells, detector_loss
from superpoint_tf.training.objectives.objective import LossTerm


class DetectorObjective:
    """Train encoder and detector head on single views."""

    term_names: tuple[str, ...] = ("det",)

    def __init__(self, config: Config) -> None:
        pass  # no setting decides anything here

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return {"det": count_cells(batch["cells_valid"])}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        outputs = model(batch["images"], training=True)
        entropy = detector_loss(outputs["logits"], batch["cell_labels"], batch["cells_valid"])
        return {"det": LossTerm(entropy, 1.0)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        return ""
