"""The training loop: steps, reports, validations and checkpoints, continued exactly where it stopped."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.hardware import multiplies_bfloat16
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import announce_cost
from superpoint_tf.training.opening import open_together
from superpoint_tf.training.replicas import COLLECTIVE_ERRORS, Replicas, WorkerLost, first_reason, single_replica
from superpoint_tf.training.reporting import Reporter, SilentReporter
from superpoint_tf.training.run_checkpoints import RunCheckpoints
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import Task

_TIMED_STEPS = 5  # after the first, which compiles


def train(
    task: Task,
    output: str | Path,
    *,
    quick_command: str = "",
    overwrite: bool = False,
    replicas: Replicas | None = None,
) -> Path:
    """Train until `task.settings.steps`; return the path of the best weights.

    An unfinished run in `output` goes on where its last checkpoint was; a finished one is left as it is, unless more
    steps are asked for. With `replicas` of several workers each calls this, on one shared `output`; the chief alone
    validates and writes, and a stop that one worker is asked for is a stop of all. Raises ConfigError if the folder
    holds another run, or a batch does not divide into the replicas, NonFiniteLoss, WorkerLost if another worker is
    gone, and Interrupted after a checkpoint on Ctrl-C or SIGTERM.
    """
    folder, replicas = RunFolder(output), replicas or single_replica()
    replicas.check(task.settings)
    try:
        _open_and_run(task, folder, replicas, quick_command, overwrite)
    except COLLECTIVE_ERRORS as error:
        if replicas.workers == 1:
            raise
        raise WorkerLost(
            f"worker {replicas.worker} of {replicas.workers}: another worker is gone, or a device failed "
            f"({first_reason(error)}); start all of them again: they go on from the last checkpoint in {folder.path}"
        ) from error
    return folder.weights


def _open_and_run(task: Task, folder: RunFolder, replicas: Replicas, quick_command: str, overwrite: bool) -> None:
    settings = task.settings
    if not open_together(task, folder, replicas, overwrite):
        return
    state = TrainingState(task, replicas)
    checkpoints = RunCheckpoints(state, folder)
    checkpoints.restore()
    start = int(state.step)
    if replicas.is_chief:
        folder.cut_metrics(start or -1)  # nothing is kept of a run that died before its first checkpoint
    reporter = Reporter(folder, settings.steps, settings.batch_size, start) if replicas.is_chief else SilentReporter()
    for reason in checkpoints.damaged:
        reporter.console.line("warn", f"damaged, the checkpoint before it is used: {reason}")
    if start and replicas.is_chief and folder.discard_damaged_weights():
        state.best_value.assign(-math.inf)
        reporter.console.line("warn", f"{folder.weights} was damaged: the best of the validations to come replaces it")
    note = f"continues at step {start}" if start else f"starts with {state.origin}"
    devices = f" | {replicas.count} replicas on {replicas.workers} workers" if replicas.count > 1 else ""
    reporter.console.line("data", f"{task.source.description} | batch {settings.batch_size} | seed {task.config.seed}")
    reporter.console.line("train", f"{note} | {state.model.count_params():,} weights | {folder.path}{devices}")
    if not start and settings.precision == "float32" and _prefers_bfloat16():
        setting = f"--set {'joint' if task.with_descriptor else 'detector'}.precision=mixed_bfloat16"
        reporter.console.line("note", f"this CPU has bfloat16 matrix units: a new run with {setting} is faster")
    share = (replicas.worker, replicas.workers)
    if start >= settings.steps:  # killed after the last checkpoint
        with contextlib.closing(reporter):
            if not folder.weights.exists():
                _validate(task, state, folder, reporter)
            _finish(state, folder, reporter)
        return
    try:
        with (
            StopRequest() as stop,
            BatchStream(
                task.source, settings.batch_size, task.source.key, task.views, task.config.workers, share
            ) as stream,
        ):
            _run(task, state, folder, reporter, checkpoints, stream, stop, quick_command)
    finally:
        reporter.close()


def _run(
    task: Task,
    state: TrainingState,
    folder: RunFolder,
    reporter: Reporter,
    checkpoints: RunCheckpoints,
    stream: BatchStream,
    stop: StopRequest,
    quick_command: str,
) -> None:
    settings, start, replicas = task.settings, int(state.step), state.replicas
    batches: Iterator[TensorBatch] = stream.batches(start)

    def stopping() -> bool:
        return state.stop_agreed() if replicas.workers > 1 else stop.requested

    if start == 0:
        _validate(task, state, folder, reporter)
    began = time.monotonic()
    for step in range(start + 1, settings.steps + 1):
        batch = next(batches)
        state.train_step(batch, stop=stop.requested) if replicas.workers > 1 else state.train_step(batch)
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
        save = last or stopping() or step % settings.checkpoint_every == 0
        if validate or step % settings.log_every == 0:
            state.check_finite(stream.numbers(int(state.step)))
        if last or step % settings.log_every == 0:
            means = state.take_means()
            reporter.train(step, means, state.learning_rate(step - 1))
            if warning := task.warning(means, batch):
                reporter.console.line("warn", warning)
        if validate:
            _validate(task, state, folder, reporter)
        if save or stopping():  # perhaps asked to stop since `save` was decided
            state.check_finite(stream.numbers(int(state.step)))
            checkpoints.save(step)
        if last:
            _finish(state, folder, reporter)
        if last or stopping():
            replicas.add(0.0)  # nobody leaves before the chief has written everything
        if stopping():
            reporter.console.line("train", f"stopped after step {step}; the same command goes on from there")
            stop.request()  # perhaps it was another worker
            stop.raise_if_requested(f"{folder.path}: stopped after step {step}")


def _prefers_bfloat16() -> bool:
    return multiplies_bfloat16() and not tf.config.list_physical_devices("GPU")


def _announce(reporter: Reporter, steps_left: int, step_s: float, state: TrainingState, quick_command: str) -> None:
    variables = named_variables(state.model).values()
    checkpoint_bytes = sum(v.shape.num_elements() * v.dtype.size for v in variables)
    announce_cost(reporter.console, steps_left * step_s, 9 * checkpoint_bytes, quick_command)


def _validate(task: Task, state: TrainingState, folder: RunFolder, reporter: Reporter) -> None:
    """Measure on the chief alone: its own copy of the network communicates with nobody, the others wait at a step."""
    if not state.replicas.is_chief:
        return
    metrics, figures = task.validator.validate(state.network_to_use(), task.with_descriptor)
    step, key, before = int(state.step), task.validator.key, float(state.best_value)
    reporter.validation(step, metrics, figures, key, before)
    value = metrics[key] if math.isfinite(metrics[key]) else -math.inf  # NaN: nothing to find in the whole set
    if value > before or not folder.weights.exists():
        state.weights().save(folder.weights)
        state.best_value.assign(value)
        state.best_step.assign(step)


def _finish(state: TrainingState, folder: RunFolder, reporter: Reporter) -> None:
    if not state.replicas.is_chief:
        return
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
