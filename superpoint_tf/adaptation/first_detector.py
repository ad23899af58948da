"""Which detector labels the photographs first: named, trained before, shipped, or trained now."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from superpoint_tf.adaptation.shards import wait_for_file
from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import deciding_settings, load_config
from superpoint_tf.networks.pretrained import WEIGHTS_FILE, pretrained_names
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.progress import Console
from superpoint_tf.systems import SYSTEMS, DenseSpec
from superpoint_tf.training.builders.detector_tasks import build_shapes_task
from superpoint_tf.training.replicas import Replicas
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.trainer import train

USER_TRAINED = Path("outputs/magicpoint")
_SECTIONS = ("seed", "network", "detector")  # of the config, that decide what a first detector is


def find_first_detector(
    config: Config,
    named: str | None,
    shard: tuple[int, int],
    console: Console,
    replicas: Replicas | None = None,
    from_scratch: bool = False,
) -> Path:
    """Return the weights to begin with: `named`, else outputs/magicpoint, else what comes with the package for this
    network, else MagicPoint is trained now, by shard 0, on `replicas` or one device.

    `from_scratch` passes over what comes with the package; a training that was begun here is finished and used.

    Raises WeightsError if the named weights are missing or damaged, ConfigError if outputs/magicpoint is not finished.
    """
    if named:
        system = load_weights(named).network.system
        if not isinstance(SYSTEMS[system].network, DenseSpec):
            raise ConfigError(
                f"--detector {named}: {system} gives no probability of a keypoint at every pixel; name weights of "
                "magicpoint or superpoint"
            )
        return Path(named)
    if (USER_TRAINED / WEIGHTS_FILE).exists():
        folder = RunFolder(USER_TRAINED)
        if not folder.finished_steps():
            raise ConfigError(
                f"{USER_TRAINED}: its training has not finished; start it again, for example "
                f"`{how_to_run('train_superpoint')} configs/magicpoint.yaml`, "
                f"or pass --detector {USER_TRAINED} to use its best weights so far"
            )
        console.line("plan", f"first detector: {folder.weights}")
        return folder.weights
    output = Path(f"outputs/{config.name}-magicpoint")
    shipped = None if from_scratch or RunFolder(output).config.exists() else _shipped_detector(config)
    if shipped:
        console.line("plan", f"first detector: {shipped}, which comes with the package (--from-scratch trains one)")
        return Path(shipped)
    if shard[0] > 0:
        wait_for_file(str(output / "summary.json"), "shard 0 to train the first detector", console)
        return output / WEIGHTS_FILE
    return train_first_detector(config, output, console, replicas)


def _shipped_detector(config: Config) -> str:
    """Return the name of the detector that comes with the package and has the config's network; empty without one."""
    for name in pretrained_names():
        weights = load_weights(name)
        dimension = weights.network.descriptor_dim  # it has none
        wanted = dataclasses.replace(config.network, descriptor_dim=dimension, system="magicpoint")
        if weights.network == wanted:
            return name
    return ""


def train_first_detector(config: Config, output: Path, console: Console, replicas: Replicas | None = None) -> Path:
    """Train MagicPoint on synthetic shapes, or go on where an earlier call stopped; return its weights.

    A finished one is used as it is, whatever became of the shapes that it was trained on.
    """
    folder, config = RunFolder(output), config.trained_as("detector")
    if folder.config.exists():
        before = load_config(folder.config)
        same = deciding_settings(before, _SECTIONS) == deciding_settings(config, _SECTIONS)
        if same and folder.finished_steps() >= config.detector.steps and folder.weights.exists():
            console.line("plan", f"first detector: {folder.weights}")
            return folder.weights
        if config.synthetic.source == "auto":  # go on with what it began with
            synthetic = dataclasses.replace(config.synthetic, source=before.synthetic.source)
            config = dataclasses.replace(config, synthetic=synthetic)
    task = build_shapes_task(config)
    console.line(
        "plan",
        f"no detector yet: training MagicPoint on {task.source.description} in {output}, "
        f"{task.settings.steps} steps of {task.settings.batch_size}; the expected time follows",
    )
    return train(task, output, quick_command=console.quick_command, replicas=replicas)
