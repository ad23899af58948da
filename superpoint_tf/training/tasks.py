"""What the trainer needs to know of a training: settings, samples, objective and validation, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from superpoint_tf.config import Config, TrainingConfig
from superpoint_tf.data.batches.kinds import BATCHES, BatchKind
from superpoint_tf.data.sources import NumberedSource
from superpoint_tf.training.objectives.objective import Objective
from superpoint_tf.training.objectives.objectives import OBJECTIVES
from superpoint_tf.training.validation import Validator


@dataclass(frozen=True)
class Task:
    """One training."""

    config: Config
    source: NumberedSource
    kind: BatchKind
    views: Any  # settings of `kind.assemble`
    objective: Objective
    validator: Validator
    inputs: Mapping[str, str]  # SHA-256 of what is read, by name: a run does not go on with other labels
    sections: tuple[str, ...]  # of the config, that decide samples and weight shapes

    @property
    def settings(self) -> TrainingConfig:
        """Return the section that says how long and how fast."""
        return self.config.training


def make_task(
    config: Config,
    source: NumberedSource,
    validator: Validator,
    inputs: Mapping[str, str] | None = None,
    on_photographs: bool = False,
    kind: str = "",
) -> Task:
    """Return the training that `config.train` names; a detector is trained on shapes unless `on_photographs`.

    `kind` is that of its batches, if it is not named as the training is.
    """
    batches = BATCHES[kind or config.train]
    pictures = "photographs" if on_photographs or config.train != "detector" else "synthetic"
    return Task(
        config,
        source,
        batches,
        batches.settings(config, getattr(config, pictures)),
        OBJECTIVES[config.train](config),
        validator,
        inputs or {},
        ("train", "seed", "network", config.train, pictures),
    )
