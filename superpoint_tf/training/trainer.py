"""The training loop: steps, reports, validations and checkpoints, continued exactly where it stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from superpoint_tf import storage
from superpoint_tf.data.pipeline import BatchStream, TensorBatch
from superpoint_tf.interruption import StopRequest
from superpoint_tf.progress import Console, announce_cost
from superpoint_tf.training.reporting import Reporter
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import Task

_TIMED_STEPS = 5  # after the first, which compiles


def train(task: Task, output: str | Path, *, quick_command: str = "", overwrite: bool = False) -> Path:
    """Train until `task.settings.steps`; return the path of the best weights.

    An unfinished run in `output` goes on where its last checkpoint was; a finished one is left as it is, unless more
    steps are asked for. Raises ConfigError if the folder holds another run, NonFiniteLoss, and Interrupted after a
    checkpoint on Ctrl-C or SIGTERM.
    """
    folder = RunFolder(output)
    folder.open(task.config, task.sections, task.inputs, overwrite)
    settings = task.settings
    if folder.finished_steps() >= settings.steps and folder.weights.exists():
        Console().line("train", f"{folder.path}: finished before, {folder.finished_steps()} steps")
        return folder.weights
    folder.write_inputs(task.config, task.inputs)
    state = TrainingState(task)
    latest = tf.train.CheckpointManager(
        state.checkpoint, str(folder.checkpoints), max_to_keep=2, checkpoint_name="latest"
    )
    if latest.latest_checkpoint:
        state.restore(latest.latest_checkpoint)
    start = int(state.step)
    folder.cut_metrics(start or -1)  # nothing is kept of a run that died before its first checkpoint
    reporter = Reporter(folder, settings.steps, settings.batch_size, start)
    note = f"continues at step {start}" if start else "starts"
    reporter.console.line("data", f"{task.source.description} | batch {settings.batch_size} | seed {task.config.seed}")
    reporter.console.line("train", f"{note} | {state.model.count_params():,} weights | {folder.path}")
    try:
        with (
            StopRequest() as stop,
            BatchStream(
                task.source, settings.batch_size, task.config.seed, task.homography, task.config.workers
            ) as stream,
        ):
            _run(task, state, folder, reporter, latest, stream, stop, quick_command)
    finally:
        reporter.close()
    return folder.weights


def _run(
    task: Task,
    state: TrainingState,
    folder: RunFolder,
    reporter: Reporter,
    latest: tf.train.CheckpointManager,
    stream: BatchStream,
    stop: StopRequest,
    quick_command: str,
) -> None:
    settings, start = task.settings, int(state.step)
    batches: Iterator[TensorBatch] = stream.batches(start)
    if start == 0:
        _validate(task, state, folder, reporter)
    began = time.monotonic()
    for step in range(start + 1, settings.steps + 1):
        batch = next(batches)
        state.train_step(batch)
        if step - start in (1, 1 + _TIMED_STEPS):
            state.check_finite(stream.numbers(int(state.step)))
            if step - start == 1:
                began = time.monotonic()
            else:
                _announce(
                    reporter, settings.steps - step, (time.monotonic() - began) / _TIMED_STEPS, state, quick_command
                )
        last = step == settings.steps
        validate = last or step % settings.validate_every == 0
        save = last or stop.requested or step % settings.checkpoint_every == 0
        if validate or step % settings.log_every == 0:
            state.check_finite(stream.numbers(int(state.step)))
        if last or step % settings.log_every == 0:
            means = state.take_means()
            reporter.train(step, means, state.learning_rate(step - 1))
            if warning := task.warning(means, batch):
                reporter.console.line("warn", warning)
        if validate:
            _validate(task, state, folder, reporter)
        if save or stop.requested:  # perhaps asked to stop since `save` was decided
            state.check_finite(stream.numbers(int(state.step)))
            latest.save(checkpoint_number=step)
        if last:
            _finish(state, folder, reporter)
        if stop.requested:
            reporter.console.line("train", f"stopped after step {step}; the same command goes on from there")
            stop.raise_if_requested(f"{folder.path}: stopped after step {step}")


def _announce(reporter: Reporter, steps_left: int, step_s: float, state: TrainingState, quick_command: str) -> None:
    checkpoint_bytes = sum(v.shape.num_elements() * v.dtype.size for v in state.model.weights)
    announce_cost(reporter.console, steps_left * step_s, 9 * checkpoint_bytes, quick_command)


def _validate(task: Task, state: TrainingState, folder: RunFolder, reporter: Reporter) -> None:
    metrics, figures = task.validator.validate(state.network_to_use(), task.with_descriptor)
    step, key, before = int(state.step), task.validator.key, float(state.best_value)
    reporter.validation(step, metrics, figures, key, before)
    value = metrics[key] if math.isfinite(metrics[key]) else -math.inf  # NaN: nothing to find in the whole set
    if value > before or not folder.weights.exists():
        state.weights().save(folder.weights)
        state.best_value.assign(value)
        state.best_step.assign(step)


def _finish(state: TrainingState, folder: RunFolder, reporter: Reporter) -> None:
    storage.write_json(
        folder.summary,
        {
            "steps": int(state.step),
            "best_step": int(state.best_step),
            "best_value": float(state.best_value) if math.isfinite(float(state.best_value)) else None,
            "skipped_updates": int(state.num_skipped),
            "weights_sha256": storage.sha256_file(folder.weights),
        },
    )
    if int(state.best_step) == 0:
        reporter.console.line("warn", "no validation beat that of the weights the run began with: they are kept")
    reporter.console.line("train", f"done | best weights of step {int(state.best_step)} in {folder.weights}")
