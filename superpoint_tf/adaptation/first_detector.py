"""Which detector labels the photographs first: named, trained before, or trained now."""

from __future__ import annotations

from pathlib import Path

from superpoint_tf.checkpoints import WEIGHTS_FILE, load_weights
from superpoint_tf.config import Config
from superpoint_tf.progress import Console
from superpoint_tf.training.build import build_shapes_task
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.trainer import train

USER_TRAINED = Path("outputs/magicpoint")


def find_first_detector(config: Config, named: str | None, console: Console, quick_command: str) -> Path:
    """Return the weights to begin with: `named`, else outputs/magicpoint, else MagicPoint is trained now.

    Raises WeightsError if the named weights are missing or damaged.
    """
    if named:
        load_weights(named)
        return Path(named)
    if (USER_TRAINED / WEIGHTS_FILE).exists():
        folder = RunFolder(USER_TRAINED)
        state = "" if folder.finished_steps() else " (its training has not finished: the best weights so far)"
        console.line("plan", f"first detector: {folder.weights}{state}")
        return folder.weights
    return train_first_detector(config, Path(f"outputs/{config.name}-magicpoint"), console, quick_command)


def train_first_detector(config: Config, output: Path, console: Console, quick_command: str) -> Path:
    """Train MagicPoint on synthetic shapes, or go on where an earlier call stopped; return its weights."""
    task = build_shapes_task(config)
    folder = RunFolder(output)
    if folder.finished_steps() < task.settings.steps:
        console.line(
            "plan",
            f"no detector yet: training MagicPoint on {task.source.description} in {output}, "
            f"{task.settings.steps} steps of {task.settings.batch_size}; the expected time follows",
        )
    return train(task, output, quick_command=quick_command)
