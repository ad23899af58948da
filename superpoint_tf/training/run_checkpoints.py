"""The checkpoints of one run: the chief's files, which every worker helps to write and reads when it starts again."""

from __future__ import annotations

import tempfile

import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.state import TrainingState

_KEPT = 2


class RunCheckpoints:
    """Save and restore the state of a run."""

    def __init__(self, state: TrainingState, folder: RunFolder) -> None:
        self._state, self._folder = state, folder
        self._manager = self._manager_in(str(folder.checkpoints))

    def _manager_in(self, directory: str) -> tf.train.CheckpointManager:
        return tf.train.CheckpointManager(
            self._state.checkpoint, directory, max_to_keep=_KEPT, checkpoint_name="latest"
        )

    def restore(self) -> None:
        """Go on from the last checkpoint, if there is one.

        Raises ConfigError, on every worker, if not all of them find the chief's.
        """
        if self._manager.latest_checkpoint:
            self._state.restore(self._manager.latest_checkpoint)
        step, replicas = int(self._state.step), self._state.replicas
        if not replicas.agree(step):
            raise ConfigError(
                f"{self._folder.checkpoints}: worker {replicas.worker} finds step {step}, not all find the same; "
                "put --output on a file system that all workers share"
            )

    def save(self, step: int) -> None:
        """Write a checkpoint; every worker must call it, since gathering what replicas hold takes all of them."""
        if self._state.replicas.is_chief:
            self._manager.save(checkpoint_number=step)
            return
        with tempfile.TemporaryDirectory() as directory:  # TensorFlow's rule: the others' copies are thrown away
            self._manager_in(directory).save(checkpoint_number=step)
