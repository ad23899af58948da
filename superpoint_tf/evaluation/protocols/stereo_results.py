"""What a run of the protocol `stereo` measured, and its tables: methods on each pair, and their means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from superpoint_tf.evaluation.disparity_measures import DISPARITY_MEASURES, MeasuredDisparities, values_of
from superpoint_tf.evaluation.measures import REPORT, TABLES, Column
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE
from superpoint_tf.evaluation.results import Evaluation, Example, Measured, Row, Table, counted

MEAN = "mean of the pairs"


@dataclass(frozen=True)
class StereoResult:
    """What one method said of one pair."""

    pair: str
    method: str
    num_disparities: int  # that were looked at
    measured: MeasuredDisparities


@dataclass(frozen=True)
class MeasuredStereo(Measured):
    """The methods on all pairs of a folder."""

    facts: dict[str, Any]
    methods: dict[str, dict[str, Any]]
    results: Sequence[StereoResult]  # every method on every pair
    drawn: Sequence[Example] = ()

    def rows(self) -> list[Row]:
        """Return the means over the pairs of each method, then its values pair by pair."""
        pairs = list(dict.fromkeys(result.pair for result in self.results))
        rows: list[Row] = [
            {
                "group": f"{r.pair}, {r.num_disparities} disparities",
                "method": r.method,
                "pairs": 1,
                **values_of(r.measured),
            }
            for pair in pairs
            for r in self.results
            if r.pair == pair
        ]
        return [self._mean(rows, method) for method in self.methods if len(pairs) > 1] + rows

    def evaluation(self) -> Evaluation:
        rows = self.rows()
        names = {name for row in rows for name in row}
        pairs = len({result.pair for result in self.results})
        note = "Errors are of the pixels with an answer; the density says how many have one."
        return Evaluation(
            "stereo",
            self.facts,
            self.methods,
            {},
            {"rows": rows},
            {"pairs.csv": list(self._lines())},
            console=[Table(_columns(TABLES, names), rows, "Stereo pairs.", names_group=True)],
            markdown=[Table(_columns(TABLES, names), rows, f"Stereo pairs. {note}", names_group=True)],
            report=[Table(_columns(REPORT, names), rows, "Disparities", note)],
            title="Stereo evaluation",
            measured=f"Protocol stereo on {self.facts.get('data', '')}: {counted(pairs, 'pair')}, "
            f"{counted(len(self.methods), 'method')}.",
            note=BOLD_NOTE,
            definitions={
                "What each column means": {m.title: m.meaning for m in DISPARITY_MEASURES.values() if m.meaning}
            },
        )

    def examples(self) -> Sequence[Example]:
        return self.drawn

    def _mean(self, rows: Sequence[Row], method: str) -> Row:
        own = [row for row in rows if row["method"] == method]
        names = [name for name in DISPARITY_MEASURES if all(name in row for row in own)]
        means = {name: float(np.mean([float(row[name]) for row in own])) for name in names}
        return {"group": MEAN, "method": method, "pairs": len(own), **means}

    def _lines(self) -> Iterator[Row]:
        for result in self.results:
            names: Row = {"pair": result.pair, "method": result.method, "num_disparities": result.num_disparities}
            yield {**names, **values_of(result.measured)}


def _columns(where: str, names: set[str]) -> dict[str, Column]:
    """Return the columns shown somewhere of which there are values."""
    found = {name: measure for name, measure in DISPARITY_MEASURES.items() if where in measure.shown and name in names}
    return {"method": Column("method"), **found}
