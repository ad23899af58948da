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
from typing import NamedTuple

import numpy as np

from superpoint_tf.data.patch_sets.hpatches_strips import NOISES, REFERENCE
from superpoint_tf.evaluation.sets.patch_tasks import (
    PatchGroup,
    Retrieval,
    StripTable,
    Verification,
    make_groups,
    strips_of,
)
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath

_PAIR_FILES = ("verif_pos", "verif_neg_intra", "verif_neg_inter")
_FILES = {  # the columns of each
    **dict.fromkeys(_PAIR_FILES, ("s1", "t1", "idx1", "s2", "t2", "idx2")),
    "retr_queries": ("s", "idx"),
    "retr_distractors": ("s", "idx"),
}


class _Line(NamedTuple):
    """One line of a file."""

    path: AnyPath
    number: int
    fields: list[str]

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.number}"


def groups_of(table: StripTable, root: str | AnyPath) -> tuple[StripTable, list[PatchGroup], str]:
    """Return the sequences that are measured, their groups, and where the tasks come from, in a sentence.

    With the benchmark's files these are the sequences of their split, easy, hard and tough, v and i together. Raises
    ValueError naming the file and line that does not fit.
    """
    folder = storage.as_path(root)
    folders = [each for each in (folder, folder / "tasks") if each.is_dir()]
    found = sorted(path for folder in folders for path in folder.glob("verif_pos_split-*.csv"))
    if not found:
        return table, make_groups(table), "Pairs and queries made of the strips, as docs/evaluation.md says"
    first = next((path for path in found if path.stem.endswith("-full")), found[0])
    split = first.stem.removeprefix("verif_pos_split-")
    files = {name: _read(first.with_name(f"{name}_split-{split}.csv"), columns) for name, columns in _FILES.items()}
    names = {line.fields[0] for line in files["verif_pos"]}
    table = StripTable.of([sequence for sequence in table.sequences if sequence.name in names])
    if not table.sequences:
        raise ValueError(f"{first}: names none of the sequences in {root}; unpack them, or remove the task files")
    groups = []
    for noise, title in NOISES.items():
        strips = tuple((s, strip) for s in table.sequences for strip in strips_of(s, noise))
        if strips:
            positive, intra, inter = (_pairs(table, files[name], noise) for name in _PAIR_FILES)
            verification = Verification(positive, {"intra": intra, "inter": inter})
            retrieval = _retrieval(table, files["retr_queries"], files["retr_distractors"], noise)
            groups.append(PatchGroup(title, strips, verification, retrieval))
    return table, groups, f"Pairs and queries of the benchmark's split {split}"


def _pairs(table: StripTable, lines: Sequence[_Line], noise: str) -> np.ndarray:
    """Return the rows of the pairs of a file, (M, 2)."""
    pairs = [[_row(table, line, line.fields[at : at + 3], noise) for at in (0, 3)] for line in lines]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _retrieval(
    table: StripTable, queries: Sequence[_Line], distractors: Sequence[_Line], noise: str
) -> tuple[Retrieval, ...]:
    asked, others = (
        [(line.fields[0], _row(table, line, (line.fields[0], "0", line.fields[1]), noise)) for line in lines]
        for lines in (queries, distractors)
    )
    tasks = []
    for sequence in table.sequences:
        own = np.array([row for name, row in asked if name == sequence.name], np.int64)
        strips = strips_of(sequence, noise)
        if len(own) and strips:
            points = own - table.first[sequence.name, REFERENCE]
            positive = np.stack([table.rows(sequence, strip)[points] for strip in strips], axis=1)
            elsewhere = np.array([row for name, row in others if name != sequence.name], np.int64)
            tasks.append(Retrieval(sequence.name, own, positive, elsewhere))
    return tuple(tasks)


def _row(table: StripTable, line: _Line, patch: Sequence[str], noise: str) -> int:
    """Return the row of the patch of (sequence, image, point)."""
    name, image, point = patch
    first = table.first.get((name, REFERENCE if image == "0" else f"{noise}{image}"))
    count = table.num_points.get(name, 0)
    if first is None or not point.isdecimal() or int(point) >= count:
        there = f"{count} points" if count else "no such sequence"
        raise ValueError(f"{line.place}: {name},{image},{point} is not among the strips ({there})")
    return first + int(point)


def _read(path: AnyPath, columns: Sequence[str]) -> list[_Line]:
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); keep the task files of a split together") from error
    if not lines or tuple(lines[0]) != tuple(columns):
        raise ValueError(f"{path}, line 1: expected {','.join(columns)}, as HPatches' task files begin")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns):
            raise ValueError(f"{path}, line {number}: {len(line)} columns; expected {','.join(columns)}")
    return [_Line(path, number, line) for number, line in enumerate(lines[1:], start=2)]
