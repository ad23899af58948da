"""The task files of HPatches' benchmark: its pairs to verify, queries and distractors, in place of made ones.

`verif_pos_split-X.csv`, `verif_neg_intra_split-X.csv`, `verif_neg_inter_split-X.csv` have lines
`s1,t1,idx1,s2,t2,idx2`, `retr_queries_split-X.csv` and `retr_distractors_split-X.csv` lines `s,idx`: a sequence, an
image (0: ref, k: e_k, h_k or t_k by the noise in question) and a row. They lie in the folder of the sequences or in
`tasks` in it, of one split X or more: `full` is taken if it is there, else the first by name. As in the benchmark
distractors are reference patches, those of the query's own sequence left out.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superpoint_tf.data.patch_sets.hpatches_strips import NOISES, REFERENCE, StripSequence
from superpoint_tf.evaluation.sets.patch_tasks import (
    PatchGroup,
    Retrieval,
    StripTable,
    Verification,
    make_groups,
    strips_of,
)

_PAIRS = ("s1", "t1", "idx1", "s2", "t2", "idx2")
_POINTS = ("s", "idx")
_KINDS = {"positive": "verif_pos", "intra": "verif_neg_intra", "inter": "verif_neg_inter"}


def groups_of(table: StripTable, root: str | Path) -> tuple[StripTable, list[PatchGroup], str]:
    """Return the sequences that are measured, their groups, and where the tasks come from, in a sentence.

    With the benchmark's files these are the sequences of their split, easy, hard and tough, v and i together. Raises
    ValueError naming the file and line that does not fit.
    """
    found = sorted(
        path for folder in (Path(root), Path(root) / "tasks") for path in folder.glob("verif_pos_split-*.csv")
    )
    if not found:
        return table, make_groups(table), "Pairs and queries made of the strips, as docs/evaluation.md says"
    chosen = next((path for path in found if path.stem.endswith("-full")), found[0])
    split = chosen.stem.removeprefix("verif_pos_split-")
    pairs = {kind: _read(chosen.with_name(f"{name}_split-{split}.csv"), _PAIRS) for kind, name in _KINDS.items()}
    queries, distractors = (
        _read(chosen.with_name(f"retr_{what}_split-{split}.csv"), _POINTS) for what in ("queries", "distractors")
    )
    names = {line[0] for line in pairs["positive"]}
    table = StripTable.of([sequence for sequence in table.sequences if sequence.name in names])
    rows = _Rows(table)
    groups = []
    for noise, title in NOISES.items():
        strips = tuple((s, strip) for s in table.sequences for strip in strips_of(s, noise))
        if strips:
            made = {kind: rows.of_pairs(lines, noise, chosen.with_name(f"{_KINDS[kind]}_split-{split}.csv"))
                    for kind, lines in pairs.items()}  # fmt: skip
            verification = Verification(made.pop("positive"), made)
            groups.append(PatchGroup(title, strips, verification, rows.retrieval(queries, distractors, noise, chosen)))
    return table, groups, f"Pairs and queries of the benchmark's split {split}"


class _Rows:
    """Where the patches that files name stand in a table."""

    def __init__(self, table: StripTable) -> None:
        self._table = table
        self._sequences: dict[str, StripSequence] = {sequence.name: sequence for sequence in table.sequences}

    def of_pairs(self, lines: Sequence[Sequence[str]], noise: str, path: Path) -> np.ndarray:
        sides: list[list[int]] = [[], []]
        for number, (s0, image0, point0, s1, image1, point1) in enumerate(lines, start=2):
            sides[0].append(self._row(s0, image0, point0, noise, path, number))
            sides[1].append(self._row(s1, image1, point1, noise, path, number))
        return np.array(sides, np.int64).T.reshape(-1, 2)

    def retrieval(
        self, queries: Sequence[Sequence[str]], distractors: Sequence[Sequence[str]], noise: str, path: Path
    ) -> tuple[Retrieval, ...]:
        others = [(s, self._row(s, "0", point, noise, path, n)) for n, (s, point) in enumerate(distractors, start=2)]
        tasks = []
        for sequence in self._table.sequences:
            points = [int(point) for name, point in queries if name == sequence.name]
            strips = strips_of(sequence, noise)
            if points and strips:
                own = np.stack([self._table.rows(sequence, strip)[points] for strip in strips], axis=1)
                asked = self._table.rows(sequence, REFERENCE)[points]
                rows = np.array([row for name, row in others if name != sequence.name], np.int64)
                tasks.append(Retrieval(sequence.name, asked, own, rows))
        return tuple(tasks)

    def _row(self, name: str, image: str, point: str, noise: str, path: Path, line: int) -> int:
        sequence = self._sequences.get(name)
        strip = REFERENCE if image == "0" else f"{noise}{image}"
        first = self._table.first.get((name, strip))
        if sequence is None or first is None or not point.isdecimal() or int(point) >= sequence.num_points:
            there = f"{sequence.num_points} points" if sequence else "no such sequence"
            raise ValueError(f"{path}, line {line}: {name},{image},{point} is not among the strips ({there})")
        return first + int(point)


def _read(path: Path, columns: Sequence[str]) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); keep the task files of a split together") from error
    if not lines or tuple(lines[0]) != tuple(columns):
        raise ValueError(f"{path}, line 1: expected {','.join(columns)}, as HPatches' task files begin")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns):
            raise ValueError(f"{path}, line {number}: {len(line)} columns; expected {','.join(columns)}")
    return lines[1:]
