"""A run folder of the convex descriptor: patches are cut, both problems solved, continued where it stopped."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import Weights, assign_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Progress
from superpoint_tf.training.convex.descent import Descent
from superpoint_tf.training.convex.pairs import PatchPairs, SplitRows, pairs_of
from superpoint_tf.training.convex.problems import Problem
from superpoint_tf.training.convex.stages import train_convex
from superpoint_tf.training.replicas import single_replica
from superpoint_tf.training.reporting import Reporter
from superpoint_tf.training.run_folder import RunFolder, open_together
from superpoint_tf.training.tasks import Task
from superpoint_tf.training.trainer import due


def train_convex_run(task: Task, output: str | Path, *, quick_command: str = "", overwrite: bool = False) -> Path:
    """Solve for the convex descriptor of `task.config`; return the path of its weights.

    Patches are those of the first `patches.convex.batches` batches. An unfinished run in `output` cuts them again and
    goes on with the problem and the step of its last checkpoint. Raises ConfigError if the folder holds another run,
    and Interrupted after a checkpoint on Ctrl-C or SIGTERM.
    """
    folder = RunFolder(output)
    if not open_together(task, folder, single_replica(), overwrite):
        return folder.weights
    settings = task.config.patches
    reporter = Reporter(folder, settings.convex.ring_steps + settings.steps, settings.batch_size, 0, quick_command)
    try:
        with StopRequest() as stop:
            _solve(task, folder, reporter, stop)
    finally:
        reporter.close()
    return folder.weights


def _solve(task: Task, folder: RunFolder, reporter: Reporter, stop: StopRequest) -> None:
    settings, descents = task.config.patches, Descents(task, folder, reporter, stop)
    reporter.console.line("data", f"{task.source.description} | seed {task.config.seed}")
    batches = _cut(task)
    points = sum(len(batch.patches0) for batch in batches)
    reporter.console.line("data", f"{points:,} points, {sum(len(b.negatives) for b in batches):,} pairs of two")
    arrays = train_convex(batches, task.config, descents.descend)
    weights = Weights(task.config.network, arrays, settings.steps)
    network = build_network(task.config.network)
    assign_weights(network, weights, str(folder.weights))
    metrics, figures = task.validator.validate(network)
    key = task.validator.key
    reporter.validation(settings.convex.ring_steps + settings.steps, metrics, figures, key, -np.inf)
    weights.save(folder.weights)
    best = {f"best_{name}_step": step for name, step in descents.best_steps.items()}
    digest = storage.sha256_file(folder.weights)
    summary = {"steps": settings.steps, **best, "best_value": metrics[key], "weights_sha256": digest}
    storage.write_json(folder.summary, summary)
    reporter.console.line("train", f"done | weights in {folder.weights}")


def _cut(task: Task) -> list[PatchPairs]:
    settings, config = task.settings, task.config
    size, key, count = settings.num_samples, task.source.key, config.patches.convex.batches
    batches: list[PatchPairs] = []
    with (
        BatchStream(task.source, task.kind, size, key, task.views, config.workers) as stream,
        Progress(count, "cut", "batches") as progress,
    ):
        for batch in itertools.islice(stream.batches(), count):
            batches.append(pairs_of(batch, config, (config.seed, len(batches))))
            progress.update()
    return batches


class Descents:
    """The descents of a run, each a file in its folder from which it goes on."""

    def __init__(self, task: Task, folder: RunFolder, reporter: Reporter, stop: StopRequest) -> None:
        self._task, self._folder, self._reporter, self._stop = task, folder, reporter, stop
        self._before = 0  # steps of the problems before this one
        self.best_steps: dict[str, int] = {}

    def descend(self, problem: Problem, rows: SplitRows, steps: int) -> Descent:
        """Descend from the file of the problem, if there is one, to the last step."""
        settings, convex = self._task.settings, self._task.config.patches.convex
        path = self._folder.checkpoints / f"{problem.name}.npz"
        descent = Descent.of(problem, storage.load_npz(path)) if path.exists() else Descent(problem)
        if descent.step < steps:
            self._folder.cut_metrics(self._before + descent.step)
        if descent.step:
            self._reporter.console.line("train", f"{problem.name}: continues at step {descent.step}")
        for step in range(descent.step + 1, steps + 1):
            descent.advance(rows.train, convex.pairs, self._task.config.seed)
            self._reporter.count(self._before + step)
            if due(step, settings.validate_every, steps):
                self._report(descent, descent.validate(rows.held_out), steps)
            if self._stop.requested or due(step, settings.checkpoint_every, steps):
                storage.write_bytes(path, storage.npz_bytes(**descent.arrays()))
            self._stop.raise_if_requested(f"{self._folder.path}: stopped after step {step} of {problem.name}")
        self._before += steps
        self.best_steps[problem.name] = descent.best_step
        return descent

    def _report(self, descent: Descent, values: dict[str, float], steps: int) -> None:
        name, step = descent.problem.name, descent.step
        shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items())
        self._reporter.console.line("train", f"{name} {step}/{steps} | {shown} | best fpr95 {descent.best_error:.4f}")
        self._folder.append_metrics({"step": self._before + step, "kind": name, **values})
