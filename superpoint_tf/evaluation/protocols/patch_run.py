"""One run of the protocol `patches`: each method describes all patches once, then every task is read from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.patch_sets.brown import BrownSet, find_brown
from superpoint_tf.data.patch_sets.hpatches_strips import REFERENCE, StripSequence, find_strips
from superpoint_tf.evaluation.evaluate import Request, check_output
from superpoint_tf.evaluation.methods.patch_method import PatchMethod
from superpoint_tf.evaluation.patch_measures import MeasuredPatches
from superpoint_tf.evaluation.patch_metrics import matching_scores, retrieval_average_precision
from superpoint_tf.evaluation.protocols.patch_results import MeasuredPatchSets, PatchResult
from superpoint_tf.evaluation.sets.official_patch_tasks import groups_of
from superpoint_tf.evaluation.sets.patch_tasks import PatchGroup, Retrieval, StripTable
from superpoint_tf.runtime.progress import Progress

_BLOCK = 4096  # patches of Brown's sets that are read at a time


@dataclass(frozen=True)
class Described:
    """What a method made of all patches of a set, as first and as second of a pair: the same but for two branches."""

    method: PatchMethod
    first: np.ndarray
    second: np.ndarray

    def pairs(self, rows: np.ndarray) -> np.ndarray:
        """Return the distances of pairs of rows (M, 2); of the first ones, if all would take too long."""
        rows = rows[: self.method.most_pairs]
        return self.method.distances(self.first[rows[:, 0]], self.second[rows[:, 1]])

    def matrix(self, rows0: np.ndarray, rows1: np.ndarray) -> np.ndarray:
        """Return the distances (N, M) of all pairs of rows (N,) and (M,)."""
        return self.method.matrix(self.first[rows0], self.second[rows1])


def measure_patches(request: Request, methods: Sequence[PatchMethod]) -> MeasuredPatchSets:
    """Measure methods on the folder's patches, Brown's sets or HPatches' strips; raises ValueError naming the file."""
    check_output(request.output)
    brown = find_brown(request.data)
    results, note = _measure_brown(request, methods, brown) if brown else _measure_strips(request, methods)
    identities = {method.name: method.identity for method in methods}
    return MeasuredPatchSets(request.all_facts | {"tasks": note}, identities, results, note)


def _measure_brown(
    request: Request, methods: Sequence[PatchMethod], sets: Sequence[BrownSet]
) -> tuple[list[PatchResult], str]:
    progress = Progress(len(sets) * len(methods), "eval", "rows measured", console=request.console)
    results = []
    for brown in sets:
        pairs = brown.read_pairs()
        used, rows = np.unique(pairs.indices, return_inverse=True)
        rows = rows.reshape(-1, 2)

        def blocks(brown: BrownSet = brown, used: np.ndarray = used) -> Iterator[np.ndarray]:
            return (brown.read(used[start : start + _BLOCK]) for start in range(0, len(used), _BLOCK))

        for method in methods:
            described = describe_all(method, blocks)
            none = np.zeros((0, 2)), np.zeros(0)
            positive, negative = (described.pairs(rows[pairs.matches == match]) for match in (True, False))
            measured = MeasuredPatches(positive, {"": negative}, *none)
            results.append(PatchResult(brown.name, method.name, len(rows), measured))
            progress.update(1)
    return results, "Brown's pairs, as their files list them"


def _measure_strips(request: Request, methods: Sequence[PatchMethod]) -> tuple[list[PatchResult], str]:
    table = StripTable.of(find_strips(request.data))
    table, groups, note = groups_of(table, request.data)
    progress = Progress(len(methods) * len(groups), "eval", "rows measured", console=request.console)

    def blocks() -> Iterator[np.ndarray]:
        return (s.read(strip) for s in table.sequences for strip in (REFERENCE, *s.targets))

    results = []
    for method in methods:
        described = describe_all(method, blocks)
        for group in groups:
            results.append(measure_group(described, table, group))
            progress.update(1)
    return results, note


def describe_all(method: PatchMethod, blocks: Callable[[], Iterator[np.ndarray]]) -> Described:
    """Describe patches that come in blocks, uint8 (N, S, S)."""
    first = np.concatenate([method.describe(patches) for patches in blocks()])
    if method.describe1 is None:
        return Described(method, first, first)
    return Described(method, first, np.concatenate([method.describe1(patches) for patches in blocks()]))


def measure_group(described: Described, table: StripTable, group: PatchGroup) -> PatchResult:
    """Return the distances of a group's pairs, and the average precisions of its strips and queries."""
    verification = group.verification
    negative = {where: described.pairs(rows) for where, rows in verification.negative.items()}
    affords = described.method.affords
    matching, retrieval = np.zeros((0, 2)), np.zeros(0)
    if affords(sum(sequence.num_points**2 for sequence, _ in group.strips)):
        matching = np.array([_match(described, table, *strip) for strip in group.strips])
    if affords(sum(len(task.queries) * len(task.distractors) for task in group.retrieval)):
        retrieval = np.concatenate([retrieval, *(_retrieve(described, task) for task in group.retrieval)])
    measured = MeasuredPatches(described.pairs(verification.positive), negative, matching, retrieval)
    names = tuple((sequence.name, strip) for sequence, strip in group.strips)
    return PatchResult(group.name, described.method.name, len(group.strips), measured, names)


def _match(described: Described, table: StripTable, sequence: StripSequence, strip: str) -> tuple[float, float]:
    distances = described.matrix(table.rows(sequence, REFERENCE), table.rows(sequence, strip))
    return matching_scores(distances)


def _retrieve(described: Described, task: Retrieval) -> np.ndarray:
    count, each = task.positive.shape
    rows = np.stack([np.repeat(task.queries, each), task.positive.reshape(-1)], axis=1)
    distractors = described.matrix(task.queries, task.distractors)
    return retrieval_average_precision(described.pairs(rows).reshape(count, each), distractors)
