"""Opening the folder of a run, once for all workers: they go on together, or stop together with a reason."""

from __future__ import annotations

import dataclasses
import zlib

from superpoint_tf.config import ConfigError
from superpoint_tf.config.config_files import flatten
from superpoint_tf.runtime.progress import Console
from superpoint_tf.training.replicas import Replicas
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.tasks import Task

_GO_ON, _FINISHED, _REFUSED = 0.0, 1.0, 2.0
_OWN_SETTINGS = ("init", "labels", "num_figures")  # paths may differ from machine to machine; content is in `inputs`


def open_together(task: Task, folder: RunFolder, replicas: Replicas, overwrite: bool) -> bool:
    """Let the chief open the folder and record what the run is made from; return whether there is training to do.

    Raises ConfigError on every worker if the folder holds another run, or if the workers were started with different
    settings or inputs.
    """
    if not replicas.agree(settings_number(task)):
        raise ConfigError("the workers have different settings or inputs: start all with the same command and config")
    if replicas.is_chief:
        try:
            outcome = _open(task, folder, overwrite)
        except BaseException:
            replicas.add(_REFUSED)
            raise
        replicas.add(outcome)
    else:
        outcome = replicas.add(0.0)
    if outcome == _REFUSED:
        raise ConfigError(f"{folder.path}: the chief could not open it; its own message says why")
    return outcome == _GO_ON


def _open(task: Task, folder: RunFolder, overwrite: bool) -> float:
    folder.open(task.config, task.sections, task.inputs, overwrite)
    if folder.finished_steps() >= task.settings.steps and folder.weights.exists():
        Console().line("train", f"{folder.path}: finished before, {folder.finished_steps()} steps")
        return _FINISHED
    folder.write_inputs(task.config, task.inputs)
    return _GO_ON


def settings_number(task: Task) -> int:
    """Return a checksum of everything that decides about samples, weights and the moments when workers must meet."""
    sections = [
        (key, value)
        for key, value, free in flatten(task.config)
        if not free and any(key == section or key.startswith(f"{section}.") for section in task.sections)
    ]
    settings = [item for item in dataclasses.asdict(task.settings).items() if item[0] not in _OWN_SETTINGS]
    return zlib.crc32(repr([sections, settings, sorted(task.inputs.items())]).encode())
