"""The two things that are trained: the detector alone, and detector and descriptor together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config, TrainingConfig
from superpoint_tf.data.pipeline import TensorBatch
from superpoint_tf.data.sources import Source
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.losses import collapsed_descriptor_loss, count_cells, count_pairs, descriptor_loss, detector_loss
from superpoint_tf.training.validation import Validator

Figures = dict[str, np.ndarray]


class LossTerm(NamedTuple):
    """A loss as a sum, to be divided by its count over the whole batch once the shares of the batch are added up."""

    sum: tf.Tensor
    weight: float  # in the total


class Task(Protocol):
    """What the trainer needs to know of what it trains."""

    config: Config
    source: Source
    views: ViewSettings
    with_descriptor: bool
    term_names: tuple[str, ...]  # of the losses, in order
    sections: tuple[str, ...]  # of the config, that decide samples and weight shapes
    inputs: Mapping[str, str]  # SHA-256 of what is read, by name: a run does not go on with other labels
    validator: Validator

    @property
    def settings(self) -> TrainingConfig:
        """Return the section that says how long and how fast."""
        ...

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        """Return what each loss term is divided by, float32 scalars; they need no network and add up over shares."""
        ...

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        """Return the loss terms of one batch, or of a share of it, by their short names."""
        ...

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        """Return a sentence if the mean losses show a known failure, else an empty one."""
        ...


class DetectorTask:
    """Train encoder and detector head by cross-entropy over cells (paper equation 2)."""

    with_descriptor = False
    term_names: tuple[str, ...] = ("det",)

    def __init__(
        self,
        config: Config,
        source: Source,
        validator: Validator,
        inputs: Mapping[str, str] | None = None,
        on_photographs: bool = False,
    ) -> None:
        self.config, self.settings, self.source, self.validator = config, config.detector, source, validator
        self.inputs = inputs or {}
        section = config.photographs if on_photographs else config.synthetic
        self.views = ViewSettings.of(section, self.settings)
        pictures = "photographs" if on_photographs else "synthetic"
        self.sections: tuple[str, ...] = ("train", "seed", "network", "detector", pictures)

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        return {"det": count_cells(batch["cells_valid"])}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        outputs = model(batch["images"], training=True)
        entropy, _ = detector_loss(outputs["logits"], batch["cell_labels"], batch["cells_valid"])
        return {"det": LossTerm(entropy, 1.0)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        return ""


class JointTask:
    """Train both heads on warped pairs (paper equation 1)."""

    with_descriptor = True
    term_names: tuple[str, ...] = ("det0", "det1", "desc")
    sections: tuple[str, ...] = ("train", "seed", "network", "joint", "photographs")

    def __init__(self, config: Config, source: Source, validator: Validator, inputs: Mapping[str, str]) -> None:
        self.config, self.settings, self.source, self.inputs = config, config.joint, source, inputs
        self.views, self.validator = ViewSettings.of(config.photographs, self.settings), validator

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        valid0, valid1 = batch["cells_valid0"], batch["cells_valid1"]
        return {"det0": count_cells(valid0), "det1": count_cells(valid1), "desc": count_pairs(valid0, valid1)}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # one forward pass for both views: batch normalisation then sees one set of statistics
        outputs = model(tf.concat([batch["images0"], batch["images1"]], axis=0), training=True)
        logits = tf.split(outputs["logits"], 2)
        descriptors = tf.split(outputs["descriptors"], 2)
        terms = {
            f"det{view}": LossTerm(
                detector_loss(logits[view], batch[f"cell_labels{view}"], batch[f"cells_valid{view}"])[0], 0.5
            )
            for view in (0, 1)
        }
        pairs, _ = descriptor_loss(
            descriptors[0],
            descriptors[1],
            batch["homography_0to1"],
            batch["cells_valid0"],
            batch["cells_valid1"],
            self.settings,
        )
        return {**terms, "desc": LossTerm(pairs, self.settings.descriptor_weight)}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        collapsed = float(
            collapsed_descriptor_loss(
                batch["homography_0to1"], batch["cells_valid0"], batch["cells_valid1"], self.settings
            )
        )
        if abs(model_losses["desc"] - collapsed) > 0.02 * collapsed:
            return ""
        return (
            f"the descriptor loss sits at {collapsed:.4f}, what equal descriptors everywhere would cost: "
            "lower joint.positive_weight or joint.learning_rate if it stays there"
        )
