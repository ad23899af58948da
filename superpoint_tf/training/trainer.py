"""The training loop: steps, reports, validations and checkpoints, continued exactly where it stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from superpoint_tf.config import IMGAUG_RUNS, NO_IMGAUG
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.devices import describe_devices
from superpoint_tf.runtime.hardware import multiplies_bfloat16
from superpoint_tf.runtime.interruption import Finished, StopRequest
from superpoint_tf.runtime.progress import announce_cost
from superpoint_tf.training.input_statistics import first_patches
from superpoint_tf.training.replicas import COLLECTIVE_ERRORS, Replicas, WorkerLost, first_reason, single_replica
from superpoint_tf.training.reporting import Reporter, SilentReporter
from superpoint_tf.training.run_checkpoints import RunCheckpoints
from superpoint_tf.training.run_folder import RunFolder, open_together
from superpoint_tf.training.schedule import learning_rate
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import Task

_TIMED_STEPS = 5  # after the first, which compiles


@dataclass(frozen=True)
class Run:
    """One call of `train`: what is trained, its state, and where it is written and reported."""

    task: Task
    state: TrainingState
    folder: RunFolder
    checkpoints: RunCheckpoints
    reporter: Reporter


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
    gone, Interrupted after a checkpoint on Ctrl-C or SIGTERM, and Finished if that came in the last step.
    """
    folder, replicas = RunFolder(output), replicas or single_replica()
    replicas.check(task.settings)
    try:
        if open_together(task, folder, replicas, overwrite):
            _go_on(_open(task, folder, replicas, quick_command))
    except COLLECTIVE_ERRORS as error:
        if replicas.workers == 1:
            raise
        raise WorkerLost(
            f"worker {replicas.worker} of {replicas.workers}: another worker is gone, or a device failed "
            f"({first_reason(error)}); start all of them again: they go on from the last checkpoint in {folder.path}"
        ) from error
    return folder.weights


def _open(task: Task, folder: RunFolder, replicas: Replicas, quick_command: str) -> Run:
    """Build the state, restore the newest checkpoint, and say what is about to happen."""
    state = TrainingState(task, replicas)
    checkpoints = RunCheckpoints(state, folder)
    checkpoints.restore()
    start, settings = int(state.step), task.settings
    if not start and (patches := first_patches(task)) is not None:
        state.set_input_statistics(patches)
    if not start:
        state.set_reduction()
    if replicas.is_chief:
        folder.cut_metrics(start or -1)  # nothing is kept of a run that died before its first checkpoint
        reporter = Reporter(folder, settings.steps, settings.num_samples, start, quick_command)
    else:
        reporter = SilentReporter()
    console = reporter.console
    for reason in checkpoints.damaged:
        console.line("warn", f"damaged, the checkpoint before it is used: {reason}")
    if start and replicas.is_chief and folder.discard_damaged_weights():
        state.best_value.assign(-math.inf)
        console.line("warn", f"{folder.weights} was damaged: the best of the validations to come replaces it")
    note = f"continues at step {start}" if start else f"starts with {state.origin}"
    devices = f" | {settings.precision} on {describe_devices()}"
    devices += f" | {replicas.count} replicas on {replicas.workers} workers" if replicas.count > 1 else ""
    console.line("data", f"{task.source.description} | batch {settings.batch_size} | seed {task.config.seed}")
    if task.source.pending and not IMGAUG_RUNS:
        console.line("note", f"{NO_IMGAUG}: pictures are changed in the graph (photometric.backend)")
    console.line("train", f"{note} | {state.model.count_params():,} weights | {folder.path}{devices}")
    if not start and settings.precision == "float32" and _prefers_bfloat16():
        setting = f"--set {task.config.train}.precision=mixed_bfloat16"
        console.line("note", f"this CPU has bfloat16 matrix units: a new run with {setting} is faster")
    return Run(task, state, folder, checkpoints, reporter)


def _go_on(run: Run) -> None:
    """Train from the step of the state to the last one."""
    task, settings, replicas = run.task, run.task.settings, run.state.replicas
    try:
        if int(run.state.step) >= settings.steps:  # killed after the last checkpoint
            if not run.folder.weights.exists():
                _validate(run)
            _finish(run)
            return
        share = (replicas.worker, replicas.workers)
        size, key, workers = settings.num_samples, task.source.key, task.config.workers
        with (
            StopRequest() as stop,
            BatchStream(task.source, task.kind, size, key, task.views, workers, share) as stream,
        ):
            _train_steps(run, stream, stop)
    finally:
        run.reporter.close()


def _train_steps(run: Run, stream: BatchStream, stop: StopRequest) -> None:
    state, settings, reporter, replicas = run.state, run.task.settings, run.reporter, run.state.replicas
    start, last = int(state.step), settings.steps
    batches = stream.batches(start)
    shared = replicas.workers > 1  # then all workers stop after the same step, when they have agreed

    def stopping() -> bool:
        return state.stop_agreed() if shared else stop.requested

    def check() -> None:
        state.check_finite(stream.numbers(int(state.step)))

    if start == 0:
        _validate(run)
    reporter.console.line("train", "the first step is compiled, which can take minutes on a busy machine")
    for step in range(start + 1, last + 1):
        batch = next(batches)
        state.train_step(batch, stop=shared and stop.requested)
        reporter.count(step)
        if step == start + 1:
            check()  # which waits for it
            reporter.warm(step)
        if step == start + 1 + _TIMED_STEPS:
            check()
            _announce(run, step)
        validate, log = due(step, settings.validate_every, last), due(step, settings.log_every, last)
        save = stopping() or due(step, settings.checkpoint_every, last)
        if validate or log:
            check()
        if log:
            means = state.log.take_means()
            reporter.train(step, means, learning_rate(settings, step - 1))
            if warning := run.task.objective.warning(means, batch):
                reporter.console.line("warn", warning)
        if validate:
            _validate(run)
        if save or stopping():  # perhaps asked to stop since `save` was decided
            check()
            run.checkpoints.save(step)
        if step == last:
            _finish(run)
        if step == last or stopping():
            replicas.add(0.0)  # nobody leaves before the chief has written everything
        if stopping():
            stop.request()  # perhaps it was another worker
            if step == last:
                stop.raise_if_requested(f"{run.folder.path}: finished", Finished)
            reporter.console.line("train", f"stopped after step {step}; the same command goes on from there")
            stop.raise_if_requested(f"{run.folder.path}: stopped after step {step}")


def due(step: int, every: int, last: int) -> bool:
    """Tell whether something that is done every so many steps, and at the end, is done after this one."""
    return step == last or step % every == 0


def _prefers_bfloat16() -> bool:
    return multiplies_bfloat16() and not tf.config.list_physical_devices("GPU")


def _announce(run: Run, step: int) -> None:
    """Say what the steps to come cost, at the rate of those that were made, and the checkpoints."""
    variables = named_variables(run.state.model).values()
    checkpoint_bytes = 9 * sum(v.shape.num_elements() * v.dtype.size for v in variables)
    announce_cost(run.reporter.console, run.reporter.remaining_s(step), checkpoint_bytes, ", beside validations")


def _validate(run: Run) -> None:
    """Measure on the chief alone: its own copy of the network communicates with nobody, the others wait at a step."""
    state, folder, validator = run.state, run.folder, run.task.validator
    if not state.replicas.is_chief:
        return
    metrics, figures = validator.validate(state.network_to_use())
    step, key, before = int(state.step), validator.key, float(state.best_value)
    run.reporter.validation(step, metrics, figures, key, before)
    value = metrics[key] if math.isfinite(metrics[key]) else -math.inf  # NaN: nothing to find in the whole set
    if value > before or not folder.weights.exists():
        state.weights().save(folder.weights)
        state.best_value.assign(value)
        state.best_step.assign(step)


def _finish(run: Run) -> None:
    state, folder, console = run.state, run.folder, run.reporter.console
    if not state.replicas.is_chief:
        return
    best_step, best_value = int(state.best_step), float(state.best_value)
    storage.write_json(
        folder.summary,
        {
            "steps": int(state.step),
            "best_step": best_step,
            "best_value": best_value if math.isfinite(best_value) else None,
            "skipped_updates": int(state.num_skipped),
            "weights_sha256": storage.sha256_file(folder.weights),
        },
    )
    if best_step == 0:
        console.line("warn", "no validation beat that of the weights the run began with: they are kept")
    console.line("train", f"done | best weights of step {best_step} in {folder.weights}")
