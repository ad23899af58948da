"""The devices that share every update: one, all of this machine, or those of several machines."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from superpoint_tf.cluster.gang import LEFT_ALONE
from superpoint_tf.config import ConfigError, TrainingConfig
from superpoint_tf.config.cluster import EXAMPLE, VARIABLE, check_replicas, read_cluster
from superpoint_tf.runtime.devices import MissingDevice, reason_without_gpu

COLLECTIVE_ERRORS = (  # what TensorFlow raises in the others when a worker is gone
    tf.errors.UnavailableError,
    tf.errors.InternalError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class WorkerLost(RuntimeError):
    """A step of all workers failed: one was killed or left, or a device failed; the others cannot go on without it."""

    exit_code = LEFT_ALONE


def first_reason(error: tf.errors.OpError) -> str:
    """Return the line of TensorFlow's message that says what happened; most of the others are a stack."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    telling = (line for line in lines if re.search(r"abort|timeout|failed|reset|refused|NCCL|CUDA", line))
    return next(telling, lines[0] if lines else type(error).__name__)[:300]


@dataclass(frozen=True)
class Replicas:
    """A strategy of TensorFlow, and which of its worker processes this one is; worker 0 is the chief.

    Replica r of n has the samples r * B / n to (r + 1) * B / n - 1 of a batch of B, whatever machine it is on.
    """

    strategy: tf.distribute.Strategy
    worker: int = 0
    workers: int = 1

    @property
    def count(self) -> int:
        """Return the number of replicas, over all workers."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def local_count(self) -> int:
        """Return the number of replicas of this worker."""
        return self.count // self.workers

    @property
    def is_chief(self) -> bool:
        """Tell whether this process writes what all share."""
        return self.worker == 0

    def check(self, settings: TrainingConfig) -> None:
        """Raise ConfigError if a batch does not divide into equal parts, or XLA is asked for on several replicas."""
        check_replicas(settings, self.count)

    def local(self, value: Any) -> Any:
        """Return this worker's first copy of a value that replicas hold; unlike a plain read it never communicates."""
        return self.strategy.experimental_local_results(value)[0]

    def part(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Cut this replica's samples out of its worker's; call it where the strategy runs a replica."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return cut(batch, replica - self.worker * self.local_count, self.local_count)

    def add(self, value: float) -> float:
        """Add a number up over all workers. Each must call it, and waits here for the others."""
        if self.workers == 1:
            return value
        added = _compiled_sum(self.strategy)(tf.constant(value, tf.float64))
        return float(self.local(added)) / self.local_count

    def agree(self, value: float) -> bool:
        """Tell on every worker whether all have the chief's number; each must call it."""
        of_chief = self.add(value if self.is_chief else 0.0)
        return self.add(float(value != of_chief)) == 0.0


@functools.lru_cache(maxsize=2)
def _compiled_sum(strategy: tf.distribute.Strategy) -> Any:
    """Return one graph a strategy: a new one at every call would be traced again."""
    return tf.function(lambda value: strategy.run(_add_up, (value,)), autograph=False)


def _add_up(value: tf.Tensor) -> tf.Tensor:
    return tf.distribute.get_replica_context().all_reduce("sum", tf.identity(value))


def cut(batch: Mapping[str, tf.Tensor], index: int | tf.Tensor, parts: int) -> dict[str, tf.Tensor]:
    """Return part `index` of `parts` equal ones of a batch; shapes stay static where they are, as XLA wants them."""
    if parts == 1:
        return dict(batch)
    return {
        name: tf.reshape(tensor, [parts, tensor.shape[0] // parts, *_sample_shape(tensor)])[index]
        for name, tensor in batch.items()
    }


def _sample_shape(tensor: tf.Tensor) -> list[int | tf.Tensor]:
    """Return the shape of one sample; the number of points is not the same in every batch."""
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(tensor.shape)][1:]


def single_replica() -> Replicas:
    """Return the one device that TensorFlow takes by itself."""
    return Replicas(tf.distribute.get_strategy())


def build_local_replicas(choice: str) -> Replicas:
    """Return the devices of this machine: `mirrored` means all GPUs (or all logical CPUs), `auto` if there are several.

    With fewer than two GPUs `auto` is `single_replica`. Raises MissingDevice where `mirrored` finds one CPU alone.
    """
    if choice == "auto" and len(tf.config.list_physical_devices("GPU")) < 2:
        return single_replica()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if devices[0].device_type == "CPU" and len(devices) < 2:
        raise MissingDevice(
            f"--strategy {choice}: asks for several devices, TensorFlow sees one CPU and no GPU: "
            f"{reason_without_gpu()}; leave it out"
        )
    with _hidden_cluster():
        return Replicas(tf.distribute.MirroredStrategy([device.name for device in devices]))


@contextlib.contextmanager
def _hidden_cluster() -> Iterator[None]:
    """Take TF_CONFIG away: MirroredStrategy reads it too, and fails on an empty one."""
    value = os.environ.pop(VARIABLE, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[VARIABLE] = value


def build_replicas(choice: str, environment: Mapping[str, str] = os.environ) -> Replicas:
    """Return the devices to train on: `auto` takes the cluster in TF_CONFIG, else what this machine has.

    Call it before anything runs in TensorFlow; with several workers it waits until all are there. Raises ConfigError
    if TF_CONFIG is not valid, or absent for `multiworker`.
    """
    if choice == "mirrored":
        return build_local_replicas(choice)
    cluster = read_cluster(environment)
    if choice == "auto" and (cluster is None or cluster.count == 1):
        return build_local_replicas(choice)
    if cluster is None:
        given = environment.get(VARIABLE, "")
        raise ConfigError(f"--strategy multiworker: {VARIABLE}={given} names no cluster; write for example {EXAMPLE}")
    return Replicas(tf.distribute.MultiWorkerMirroredStrategy(), cluster.index, cluster.count)
