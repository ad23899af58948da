"""The place of an objective in the training of a system that no gradient trains."""

from __future__ import annotations

from typing import NoReturn

from superpoint_tf.config import ConfigError


class SolvedObjective:
    """No objective: the convex descriptor is solved for by `training.convex`, and the trainer of the others refuses."""

    term_names: tuple[str, ...] = ()

    def __init__(self, system: str) -> None:
        self._system = system

    def counts(self, batch: object) -> NoReturn:
        raise ConfigError(f"{self._system} is not trained by gradients: solve for it by `train_convex_run`")

    def loss_terms(self, model: object, batch: object) -> NoReturn:
        self.counts(batch)

    def warning(self, losses: object, batch: object) -> str:
        return ""
