"""The folder of one training run: what it holds, its metrics file, and whether all workers may go on in it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import config_to_yaml, deciding_settings, flatten, load_config
from superpoint_tf.config.differences import differences
from superpoint_tf.networks.pretrained import WEIGHTS_FILE
from superpoint_tf.networks.weights import WeightsError, load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.training.replicas import Replicas
from superpoint_tf.training.tasks import Task

_GO_ON, _FINISHED, _REFUSED = 0.0, 1.0, 2.0
# paths may differ from machine to machine; content is in `inputs`
_OWN_SETTINGS = ("init", "labels", "teacher", "num_figures")


class RunFolder:
    """`config.yaml, log.txt, metrics.jsonl, checkpoints/, figures/, weights.npz, ...` of one run.

    `history/` holds the configs that it was started with before, where they differ: 001.yaml was the first.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.history = self.path / "history"
        self.log = self.path / "log.txt"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.tensorboard = self.path / "tensorboard"
        self.weights = self.path / WEIGHTS_FILE
        self.summary = self.path / "summary.json"
        self.inputs = self.path / "inputs.json"

    def finished_steps(self) -> int:
        """Return the step at which the run ended, or 0 if it has not ended."""
        return int(storage.read_json(self.summary).get("steps", 0)) if self.summary.exists() else 0

    def open(self, config: Config, sections: Sequence[str], inputs: Mapping[str, str], overwrite: bool = False) -> None:
        """Check that the folder is free, or holds a run with the same samples and weight shapes.

        `inputs` are the SHA-256 of what the run reads, by name (labels, first weights). Raises ConfigError printing
        every difference, unless `overwrite`, which deletes the earlier run.
        """
        if overwrite:
            storage.remove_tree(self.path, marker="config.yaml")
        if self.config.exists():
            before = storage.read_json(self.inputs) if self.inputs.exists() else inputs
            changed = differences(
                deciding_settings(load_config(self.config), sections) | _contents(before, config.train),
                deciding_settings(config, sections) | _contents(inputs, config.train),
            )
            if changed:
                listed = "\n  ".join(changed)
                raise ConfigError(
                    f"{self.path}: holds a run with other settings:\n  {listed}\n"
                    "continue it with its own config, choose another --output, or start anew with --overwrite"
                )
        elif self.path.exists() and any(not p.name.endswith(storage.TEMPORARY_SUFFIX) for p in self.path.iterdir()):
            raise ConfigError(f"{self.path}: not empty and not a run folder (no config.yaml); choose another --output")

    def changes(self, config: Config) -> list[str]:
        """Return `key: before -> now` of each setting that is another than at the last start."""
        if not self.config.exists():
            return []
        before, now = ({key: value for key, value, _ in flatten(one)} for one in (load_config(self.config), config))
        return differences(before, now)

    def write_inputs(self, config: Config, inputs: Mapping[str, str]) -> None:
        """Record what the run is made from, before its first step, and clear what a killed writer left."""
        storage.remove_unfinished(self.path)
        if self.changes(config):
            self._keep_config()
        storage.write_bytes(self.config, config_to_yaml(config).encode())  # first: it marks a run folder
        storage.write_json(self.inputs, dict(inputs))

    def _keep_config(self) -> None:
        """Copy the config of the last start into the history, once, however often a start is killed."""
        content, kept = self.config.read_bytes(), sorted(self.history.glob("*.yaml"))
        if not kept or kept[-1].read_bytes() != content:
            storage.write_bytes(self.history / f"{len(kept) + 1:03d}.yaml", content)

    def discard_damaged_weights(self) -> bool:
        """Delete weights.npz if it cannot be read; return whether that was so."""
        if not self.weights.exists():
            return False
        try:
            load_weights(self.weights)
        except WeightsError:
            self.weights.unlink()
            return True
        return False

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl (no clock values: equal runs give equal files)."""
        with storage.writing(self.metrics), open(self.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def cut_metrics(self, step: int) -> None:
        """Drop the lines of steps after `step`, which a resumed run writes again."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last line of a killed run may be half a line
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
        storage.write_bytes(self.metrics, "".join(kept).encode())


def _contents(inputs: Mapping[str, str], trained: str) -> dict[str, str]:
    """Return hashes by what a reader of a refusal knows them by; `trained` is the section that names the weights."""
    setting = {"first weights": f" (of {trained}.init)"}
    return {f"content of {name}{setting.get(name, '')}": digest for name, digest in inputs.items()}


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
    changes, console = folder.changes(task.config), Console()
    if folder.finished_steps() >= task.settings.steps and folder.weights.exists():
        console.line("train", f"{folder.path}: finished before, {folder.finished_steps()} steps")
        if changes:
            console.line("warn", f"asked for other settings, nothing was done: {'; '.join(changes)}")
            more = f"{task.config.train}.steps above {folder.finished_steps()} go on with them"
            console.line("warn", f"{more}, another --output or --overwrite starts anew")
        return _FINISHED
    if changes:
        console.line("train", f"goes on with other settings: {'; '.join(changes)} (before: {folder.history})")
    folder.write_inputs(task.config, task.inputs)
    return _GO_ON


def settings_number(task: Task) -> int:
    """Return a checksum of everything that decides about samples, weights and the moments when workers must meet."""
    sections = deciding_settings(task.config, task.sections)
    settings = [item for item in dataclasses.asdict(task.settings).items() if item[0] not in _OWN_SETTINGS]
    return zlib.crc32(repr([sections, settings, sorted(task.inputs.items())]).encode())
