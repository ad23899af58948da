"""A training command that a cluster's workers run together, started again from the last checkpoint when one is lost."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from superpoint_tf.cluster.gang import Site, Work, run_gang
from superpoint_tf.config.cluster import tf_config_of
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.invocation import CHECKOUT, start_of
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import WorkerDied
from superpoint_tf.training.checkpoint_files import newest_step

_OVERWRITE = "--overwrite"
_OF_ONE = ("--ray", "--workers")  # options that workers do not get; what follows is their value
_PASSED_ON = ("NCCL_", "SUPERPOINT_TF_", "TF_", "XLA_")  # variables that begin so


def train_on_cluster(site: Site, given: Sequence[str], output: str, console: Console) -> int:
    """Run `train` with the arguments that were given to it, in all processes of a site; return their exit code.

    Worker 0's output is this process's. Raises WorkerDied if workers are lost again and again without a new checkpoint.
    """
    run, arguments = Path(output), worker_arguments(given)
    begun = _version(run / "config.yaml")

    def arguments_now() -> list[str]:
        """Return the arguments; without --overwrite once it has been done, for it would delete this very run."""
        done = _version(run / "config.yaml") != begun
        return [*start_of("train")[1:], *(each for each in arguments if not (done and each == _OVERWRITE))]

    def environment(addresses: Sequence[str], index: int) -> dict[str, str]:
        return {**passed_on(os.environ), "SUPERPOINT_TF_TRACEBACK": "", "TF_CONFIG": tf_config_of(addresses, index)}

    work = Work(arguments_now, environment, os.getcwd(), str(CHECKOUT), lambda: newest_step(run / "checkpoints"))
    try:
        with StopRequest() as stop:
            return run_gang(site, work, console, stop)
    except WorkerDied as error:
        raise WorkerDied(
            f"{output}: {error}; see what killed it, save more often (checkpoint_every), or give workers more memory; "
            "the same command goes on"
        ) from error


def worker_arguments(given: Sequence[str]) -> list[str]:
    """Return the arguments of the command without what only its own process is meant by: --ray and --workers."""
    kept: list[str] = []
    rest = list(given)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*kept, argument, *rest]
        option, assigned, _ = argument.partition("=")
        if option not in _OF_ONE:
            kept.append(argument)
        elif not assigned and rest and not rest[0].startswith("-"):
            rest.pop(0)
    return kept


def passed_on(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that workers get from the process that starts them."""
    return {name: value for name, value in variables.items() if name.startswith(_PASSED_ON)}


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written anew; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
