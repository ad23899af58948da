"""The processes of one job as TF_CONFIG lists them: how many there are, and which of them this one is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superpoint_tf.config.fields import ConfigError
from superpoint_tf.config.trainings import TrainingConfig

VARIABLE = "TF_CONFIG"
STRATEGIES = ("auto", "mirrored", "multiworker")  # of --strategy
WORKING_TYPES = ("chief", "worker")  # in this order they are numbered
EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """Which of `count` equal processes this one is; number 0, the chief, writes what all share."""

    index: int
    count: int


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Read TF_CONFIG; None if it is absent, empty or names no cluster.

    A `chief` is number 0 and the workers follow; without one worker 0 is the chief. Raises ConfigError with the value
    and an example if it is not valid, or names tasks of other types (parameter servers, evaluators).
    """
    text = environment.get(VARIABLE, "").strip()
    values = _parse(text) if text else {}
    if not values.get("cluster"):
        return None
    sizes = _cluster_sizes(values["cluster"], text)
    kind, index = _task_of(values.get("task"), text)
    if kind not in sizes or index >= sizes[kind]:
        listed = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise _error(text, f"task {kind} {index} is not in the cluster ({listed})")
    before = sizes.get("chief", 0) if kind == "worker" else 0
    return Cluster(before + index, sum(sizes.values()))


def tf_config_of(addresses: Sequence[str], index: int) -> str:
    """Return the TF_CONFIG of worker `index` of those at the addresses, host:port."""
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}})


def check_replicas(settings: TrainingConfig, count: int) -> None:
    """Raise ConfigError if a batch does not divide into equal parts, or XLA is asked for on several replicas."""
    parts = count * settings.accumulate
    if settings.num_samples % parts:
        micro_batches = f" with {settings.accumulate} micro-batches each" if settings.accumulate > 1 else ""
        multiple = parts * (settings.batch_size // settings.num_samples)
        raise ConfigError(
            f"batch_size: {settings.batch_size} does not divide into {count} replicas{micro_batches}; "
            f"make it a multiple of {multiple}, or use fewer devices (CUDA_VISIBLE_DEVICES) or --workers"
        )
    if settings.xla and count > 1:
        raise ConfigError(f"xla: does not work with {count} replicas; set it to false")


def _error(text: str, reason: str) -> ConfigError:
    shown = text if len(text) <= 300 else text[:300] + "..."
    message = f"{VARIABLE}={shown}: {reason[:300]}; unset it, or write for example {EXAMPLE}"
    return ConfigError("".join(letter if letter.isprintable() else " " for letter in message))


def _parse(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _error(text, f"not valid JSON ({error})") from error
    if not isinstance(values, dict):
        raise _error(text, "expected an object with `cluster` and `task`")
    return values


def _cluster_sizes(cluster: Any, text: str) -> dict[str, int]:
    """Return the number of tasks of each type, the chief first."""
    if not isinstance(cluster, dict):
        raise _error(text, "`cluster` is no object")
    foreign = sorted(set(cluster) - set(WORKING_TYPES))
    if foreign:
        raise _error(text, f"tasks of type {', '.join(foreign)} are not used here, only chief and worker")
    for kind, addresses in cluster.items():
        if not isinstance(addresses, list) or not all(isinstance(item, str) and ":" in item for item in addresses):
            raise _error(text, f"`cluster.{kind}` is no list of host:port")
    sizes = {kind: len(cluster[kind]) for kind in WORKING_TYPES if cluster.get(kind)}
    if sizes.get("chief", 0) > 1:
        raise _error(text, f"{sizes['chief']} chiefs, at most one is possible")
    addresses = [address for kind in sizes for address in cluster[kind]]
    if len(set(addresses)) < len(addresses):
        raise _error(text, "an address is listed twice")
    return sizes


def _task_of(task: Any, text: str) -> tuple[str, int]:
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    if isinstance(index, str) and index.isdecimal() and len(index) < 10:  # TensorFlow takes both
        index = int(index)
    if not isinstance(kind, str) or isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise _error(text, "`task` must say which of the cluster this process is, by `type` and `index`")
    return kind, index
