"""Phase two: the measures of every pair from the features on disk, in as many processes as there are cores."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from superpoint_tf.evaluation.extraction import PairRecord
from superpoint_tf.evaluation.feature_store import read_stored
from superpoint_tf.evaluation.pair_averages import PairResult, measure_pair
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import open_features
from superpoint_tf.runtime.workers import ordered_map

MeasureValues = Callable[[Features, Features, np.ndarray, PairProtocol], dict[str, float]]
_PAIRS_A_TASK = 8
_SMALLER_BUDGETS = (8, 4, 2)  # the budget divided by these, for accuracy against the number of keypoints


@dataclass(frozen=True)
class Task:
    """Some pairs of one method at one budget."""

    method: str
    path: str  # its feature file
    protocol: PairProtocol
    records: tuple[PairRecord, ...]
    no_descriptors: np.ndarray | None  # (0, D), for frames where a describing method found nothing; None: a detector
    measure: MeasureValues = measure_pair


def smaller_budgets(protocol: PairProtocol) -> list[int]:
    """Return the budgets below a protocol's own at which it is also measured."""
    return sorted({protocol.max_keypoints // divisor for divisor in _SMALLER_BUDGETS} - {0, protocol.max_keypoints})


def measure_records(
    records: Sequence[PairRecord],
    files: dict[str, str],
    protocol: PairProtocol,
    pool: concurrent.futures.Executor | None,
    on_pairs: Callable[[int], None] = lambda count: None,
    measure: MeasureValues = measure_pair,
) -> list[PairResult]:
    """Measure every method, given its feature file, on every pair; results in the order of the pairs, then methods."""
    empty = {method: _no_descriptors(path, records) for method, path in files.items()}
    tasks = [
        Task(method, path, protocol, tuple(records[start : start + _PAIRS_A_TASK]), empty[method], measure)
        for start in range(0, len(records), _PAIRS_A_TASK)
        for method, path in files.items()
    ]
    found: dict[str, list[PairResult]] = {method: [] for method in files}
    for task, results in zip(tasks, ordered_map(pool, measure_task, tasks, window=16), strict=True):
        found[task.method] += results
        on_pairs(len(results))
    return [result for of_pair in zip(*found.values(), strict=True) for result in of_pair]


def measure_task(task: Task) -> list[PairResult]:
    """Measure the pairs of a task; runs in a worker process."""
    results = []
    with open_features(task.path) as file:
        cached: dict[str, Features] = {}
        for record in task.records:
            cached = {name: cached.get(name) or read_stored(file, name) for name in record.frames}
            features0, features1 = (_described(cached[name], task, name) for name in record.frames)
            protocol = replace(task.protocol, image_shape=record.image_shape or task.protocol.image_shape)
            values = task.measure(features0, features1, record.homography_0to1, protocol)
            results.append(PairResult(task.method, record.name, record.group, values, record.sequence))
    return results


def _no_descriptors(path: str, records: Sequence[PairRecord]) -> np.ndarray | None:
    """Return the (0, D) descriptors of nothing if any frame has descriptors, else None: the method is a detector."""
    with open_features(path) as file:
        for name in dict.fromkeys(name for record in records for name in record.frames):
            descriptors = file[name].get("descriptors")  # (D, N); its values are not read
            if descriptors is not None:
                return np.zeros((0, descriptors.shape[0]), descriptors.dtype)
    return None


def _described(features: Features, task: Task, name: str) -> Features:
    """Give a frame without descriptors those of nothing, if the method describes and found nothing there."""
    if features.descriptors is not None or task.no_descriptors is None:
        return features
    if len(features.keypoints):
        raise ValueError(f"{task.method}: {name} has keypoints without descriptors, other frames have descriptors")
    return features._replace(descriptors=task.no_descriptors)


def measure_budgets(
    records: Sequence[PairRecord],
    files: dict[str, str],
    protocol: PairProtocol,
    pool: concurrent.futures.Executor | None,
    on_pairs: Callable[[int], None] = lambda count: None,
) -> dict[int, list[PairResult]]:
    """Return the results at each smaller budget: the strongest of the same features."""
    return {
        budget: measure_records(records, files, replace(protocol, max_keypoints=budget), pool, on_pairs)
        for budget in smaller_budgets(protocol)
    }
