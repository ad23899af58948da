"""What a run of the protocol `patches` measured, and its tables: methods in each group, strip by strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from superpoint_tf.evaluation.measures import REPORT, TABLES, Column
from superpoint_tf.evaluation.patch_measures import PATCH_MEASURES, MeasuredPatches, values_of
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE
from superpoint_tf.evaluation.results import Evaluation, Measured, Row, Table

MEAN = "mean of the groups"


@dataclass(frozen=True)
class PatchResult:
    """What one method said of one group."""

    group: str
    method: str
    pairs: int  # of strips that were matched; of patches in Brown's sets
    measured: MeasuredPatches
    strips: tuple[tuple[str, str], ...] = ()  # sequence and strip of each row of `measured.matching`


@dataclass(frozen=True)
class MeasuredPatchSets(Measured):
    """The methods on all groups of a folder."""

    facts: dict[str, Any]
    methods: dict[str, dict[str, Any]]
    results: Sequence[PatchResult]  # every method on every group
    tasks: str  # where the pairs and queries come from, in a sentence

    def rows(self) -> list[Row]:
        """Return the values of each group and method; last the means over the groups, if there are several."""
        groups = list(dict.fromkeys(result.group for result in self.results))
        rows: list[Row] = [
            {"group": r.group, "method": r.method, "pairs": r.pairs, **values_of(r.measured)}
            for group in groups
            for r in self.results
            if r.group == group
        ]
        return rows + [self._mean(rows, method) for method in self.methods if len(groups) > 1]

    def evaluation(self) -> Evaluation:
        rows = self.rows()
        names = {name for row in rows for name in row}
        count = sum(r.pairs for r in self.results if r.method == self.results[0].method)
        title = f"Patches. {self.tasks}."
        return Evaluation(
            "patches",
            self.facts,
            self.methods,
            {},
            {"rows": rows},
            {"pairs.csv": list(self._strip_lines())},
            console=[Table(_columns(TABLES, names), rows, title, names_group=True)],
            markdown=[Table(_columns(TABLES, names), rows, title, names_group=True)],
            report=[Table(_columns(REPORT, names), rows, "Verification, matching and retrieval", f"{self.tasks}.")],
            sequences=self._sequences(),
            title="Patch evaluation",
            measured=f"Protocol patches on {self.facts.get('data', '')}: {count} pairs of "
            f"{'strips' if self.results[0].strips else 'patches'}, {len(self.methods)} methods.",
            note=f"{BOLD_NOTE} A dash is a value that does not exist, or would have taken too long.",
            definitions={"What each column means": {m.title: m.meaning for m in PATCH_MEASURES.values() if m.meaning}},
        )

    def _mean(self, rows: Sequence[Row], method: str) -> Row:
        own = [row for row in rows if row["method"] == method]
        names = [name for name in PATCH_MEASURES if all(name in row for row in own)]
        means = {name: float(np.mean([float(row[name]) for row in own])) for name in names}
        return {"group": MEAN, "method": method, "pairs": sum(int(row["pairs"]) for row in own), **means}

    def _strip_lines(self) -> Iterator[Row]:
        for result in self.results:
            for (sequence, strip), scores in zip(result.strips, result.measured.matching, strict=False):
                names: Row = {"group": result.group, "sequence": sequence, "strip": strip, "method": result.method}
                yield {**names, "matching_map": float(scores[0]), "success_rate": float(scores[1])}

    def _sequences(self) -> list[Table]:
        """Return the mean over strips of each sequence, a table as the report folds it; none without strips."""
        by_sequence: dict[tuple[str, str, str], list[float]] = {}
        for line in self._strip_lines():
            key = (str(line["group"]), str(line["sequence"]), str(line["method"]))
            by_sequence.setdefault(key, []).append(float(line["matching_map"]))
        rows: list[Row] = [
            {"group": group, "sequence": sequence, "method": method, "pairs": len(v), "matching_map": float(np.mean(v))}
            for (group, sequence, method), v in by_sequence.items()
        ]
        return [Table({"matching_map": PATCH_MEASURES["matching_map"]}, rows, "Matching")] if rows else []


def _columns(where: str, names: set[str]) -> dict[str, Column]:
    """Return the columns shown somewhere of which there are values."""
    found = {name: measure for name, measure in PATCH_MEASURES.items() if where in measure.shown and name in names}
    return {"method": Column("method"), **found}
