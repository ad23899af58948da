"""What patches in HPatches' strips are asked for: pairs to verify and points to retrieve, made of the strips.

A patch is a row of a table of all strips (`StripTable`). Tasks are a function of the strips alone: every point of a
strip is a positive pair with the reference, and has two negatives, another point of the same strip (intra) and one
of another sequence with the same noise (inter). Every third point of a sequence is a query for its own patches among
2,000 of the same noise from other sequences. `official_patch_tasks` reads the benchmark's own instead.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.patch_sets.hpatches_strips import NOISES, REFERENCE, StripSequence
from superpoint_tf.evaluation.methods.controls import generator_of

NUM_DISTRACTORS = 2000
QUERY_STEP = 3


@dataclass(frozen=True)
class StripTable:
    """The rows of all strips of some sequences, numbered through."""

    sequences: tuple[StripSequence, ...]
    first: Mapping[tuple[str, str], int]  # of the rows of (sequence, strip)

    @classmethod
    def of(cls, sequences: Sequence[StripSequence]) -> StripTable:
        """Number the strips of sequences in their order, the reference before the targets."""
        first, row = {}, 0
        for sequence in sequences:
            for strip in (REFERENCE, *sequence.targets):
                first[sequence.name, strip] = row
                row += sequence.num_points
        return cls(tuple(sequences), first)

    @functools.cached_property
    def num_points(self) -> dict[str, int]:
        """Return the number of points of each sequence, by its name."""
        return {sequence.name: sequence.num_points for sequence in self.sequences}

    def rows(self, sequence: StripSequence, strip: str) -> np.ndarray:
        """Return the rows of a strip, int64 (N,)."""
        start = self.first[sequence.name, strip]
        return np.arange(start, start + sequence.num_points)


@dataclass(frozen=True)
class Verification:
    """Pairs to be told apart, rows of a StripTable (M, 2)."""

    positive: np.ndarray
    negative: Mapping[str, np.ndarray]  # intra: of one sequence, inter: of two


@dataclass(frozen=True)
class Retrieval:
    """The queries of one sequence, the patches to be found, and those of others."""

    sequence: str
    queries: np.ndarray  # (Q,) rows of references
    positive: np.ndarray  # (Q, K)
    distractors: np.ndarray  # (M,)


@dataclass(frozen=True)
class PatchGroup:
    """The sequences of one kind with one kind of noise, and what is asked of them."""

    name: str  # v easy
    strips: tuple[tuple[StripSequence, str], ...]  # each a matching task, with the reference
    verification: Verification
    retrieval: tuple[Retrieval, ...]


def make_groups(table: StripTable) -> list[PatchGroup]:
    """Return the groups of a set: v and i (and any other beginning of a name), each easy, hard and tough, if there."""
    letters = sorted({kind_of(sequence) for sequence in table.sequences}, key=lambda kind: (kind != "v", kind))
    groups = []
    for letter in letters:
        for noise, title in NOISES.items():
            members = [sequence for sequence in table.sequences if kind_of(sequence) == letter]
            strips = tuple((s, strip) for s in members for strip in strips_of(s, noise))
            if strips:
                retrieval = tuple(made_retrieval(table, s, noise) for s in members if strips_of(s, noise))
                groups.append(PatchGroup(f"{letter} {title}", strips, made_pairs(table, strips), retrieval))
    return groups


def kind_of(sequence: StripSequence) -> str:
    """Return `v` or `i` by the folder's prefix; `other` for any other name."""
    return sequence.name[0] if sequence.name[:2] in ("v_", "i_") else "other"


def strips_of(sequence: StripSequence, noise: str) -> list[str]:
    """Return the targets of a sequence with a noise, by its letter."""
    return [strip for strip in sequence.targets if strip[0] == noise]


def made_pairs(table: StripTable, strips: Sequence[tuple[StripSequence, str]]) -> Verification:
    """Return the positives (reference i, target i) of strips and as many intra and as many inter negatives.

    The strip of another sequence is drawn uniformly from all with the same noise, then its point.
    """
    positive, intra, inter = [], [], []
    for sequence, strip in strips:
        rows0, rows1 = table.rows(sequence, REFERENCE), table.rows(sequence, strip)
        generator = _generator("verification", sequence.name, strip)
        positive.append(np.stack([rows0, rows1], axis=1))
        count = len(rows0)
        if count > 1:
            others = (np.arange(count) + generator.integers(1, count, count)) % count
            intra.append(np.stack([rows0, rows1[others]], axis=1))
        elsewhere = _strips_elsewhere(table, sequence, strip[0])
        if elsewhere:
            chosen = [elsewhere[index] for index in generator.integers(len(elsewhere), size=count)]
            inter.append(np.stack([rows0, np.array([generator.choice(rows) for rows in chosen])], axis=1))
    none = [np.zeros((0, 2), np.int64)]
    negative = {"intra": np.concatenate(intra or none), "inter": np.concatenate(inter or none)}
    return Verification(np.concatenate(positive), negative)


def made_retrieval(table: StripTable, sequence: StripSequence, noise: str) -> Retrieval:
    """Return every third point of a sequence as queries for its targets, among 2,000 (or all) of other sequences."""
    points = np.arange(0, sequence.num_points, QUERY_STEP)
    own = [table.rows(sequence, strip)[points] for strip in strips_of(sequence, noise)]
    rows = np.concatenate([np.zeros(0, np.int64), *_strips_elsewhere(table, sequence, noise)])
    drawn = _generator("retrieval", sequence.name, noise).permutation(len(rows))[:NUM_DISTRACTORS]
    return Retrieval(sequence.name, table.rows(sequence, REFERENCE)[points], np.stack(own, axis=1), rows[drawn])


def _strips_elsewhere(table: StripTable, sequence: StripSequence, noise: str) -> list[np.ndarray]:
    """Return the rows of each strip of other sequences with a noise, by its letter."""
    others = [other for other in table.sequences if other is not sequence]
    return [table.rows(other, strip) for other in others for strip in strips_of(other, noise)]


def _generator(*names: str) -> np.random.Generator:
    """Return the generator of a task by its names, so that a task does not depend on which others there are."""
    return generator_of("/".join(names).encode())
