"""The checkpoints of one run: the chief's files, which every worker helps to write and reads when it starts again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.runtime import storage
from superpoint_tf.training.checkpoint_files import NAME, OWN_FILES, written_steps
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.state import TrainingState

_KEPT = 2
# for a file cut short TensorFlow's reader raises IndexError or RuntimeError
_DAMAGE = (AssertionError, ValueError, IndexError, RuntimeError, tf.errors.OpError)


class RunCheckpoints:
    """Save and restore the state of a run; what a killed writer left is cleared away, damaged ones are passed over."""

    def __init__(self, state: TrainingState, folder: RunFolder) -> None:
        self._state, self._folder = state, folder
        self.damaged: list[str] = []  # those that `restore` could not use, newest first, each with the reason
        self._manager: tf.train.CheckpointManager | None = None

    def _manager_in(self, directory: str) -> tf.train.CheckpointManager:
        return tf.train.CheckpointManager(self._state.checkpoint, directory, max_to_keep=_KEPT, checkpoint_name=NAME)

    def restore(self) -> None:
        """Go on from the newest checkpoint that can be read, if there is any.

        Raises ConfigError, on every worker, if there are some and none can be read, or if not all workers find the
        chief's.
        """
        with storage.writing(self._folder.checkpoints):
            prefixes = _written_prefixes(self._folder.checkpoints)
        usable = list(prefixes)
        while usable and not self._restored(usable[0]):
            usable.pop(0)
        step, replicas = int(self._state.step), self._state.replicas
        if not replicas.agree(step):
            raise ConfigError(
                f"{self._folder.checkpoints}: worker {replicas.worker} finds step {step}, not all find the same; "
                "put --output on a file system that all workers share"
            )
        if prefixes and not usable:
            raise ConfigError(
                f"{self._folder.checkpoints}: no checkpoint can be read ({'; '.join(self.damaged)}); "
                "restore them from a copy, or start anew with --overwrite"
            )
        if replicas.is_chief:
            with storage.writing(self._folder.checkpoints):
                _clear_unfinished(self._folder.checkpoints, usable)
            self._manager = self._manager_in(str(self._folder.checkpoints))

    def _restored(self, prefix: str) -> bool:
        try:
            self._state.restore(prefix)
        except _DAMAGE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self.damaged.append(f"{Path(prefix).name}: {reason[:200]}")
            return False
        return True

    def save(self, step: int) -> None:
        """Write a checkpoint; every worker must call it, since gathering what replicas hold takes all of them.

        Raises WriteError if the disk refuses; the checkpoints before it are kept then.
        """
        if self._manager is None:
            with tempfile.TemporaryDirectory() as directory:  # TensorFlow's rule: the others' copies are thrown away
                self._manager_in(directory).save(checkpoint_number=step)
            return
        if self._state.replicas.workers > 1:  # an error may mean that another worker is gone
            self._manager.save(checkpoint_number=step)
            return
        prefix = f"{self._folder.checkpoints}/{NAME}-{step}"
        try:
            with storage.writing(prefix):
                self._manager.save(checkpoint_number=step)
        except storage.WriteError:
            shutil.rmtree(f"{prefix}_temp", ignore_errors=True)
            raise


def _written_prefixes(folder: Path) -> list[str]:
    return [f"{folder}/{NAME}-{step}" for step in written_steps(folder)]


def _listed(folder: Path) -> list[str]:
    """Return the checkpoints of TensorFlow's own list, oldest first; none if it is lost or damaged."""
    try:
        state = tf.train.get_checkpoint_state(str(folder))
    except ValueError:
        return []
    return list(state.all_model_checkpoint_paths) if state else []


def _clear_unfinished(folder: Path, usable: list[str]) -> None:
    """Delete what a killed writer left and what cannot be read, and note the checkpoints that remain in TensorFlow's
    list, so that they are pruned in their turn."""
    for path in folder.glob("*"):
        whole = any(path.name.startswith(f"{Path(prefix).name}.") for prefix in usable)
        if OWN_FILES.fullmatch(path.name) and (not whole or ".tempstate" in path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    oldest_first = usable[::-1]
    if [Path(prefix).name for prefix in _listed(folder)] == [Path(prefix).name for prefix in oldest_first]:
        return
    if usable:
        times = [Path(f"{prefix}.index").stat().st_mtime for prefix in oldest_first]  # without them none is pruned
        tf.compat.v1.train.update_checkpoint_state(str(folder), usable[0], oldest_first, None, times)
    else:
        (folder / "checkpoint").unlink(missing_ok=True)
