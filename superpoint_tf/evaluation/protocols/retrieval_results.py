"""What a run of the protocol `retrieval` measured, and its tables: methods at each budget of features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from superpoint_tf.evaluation.measures import REPORT, TABLES, Column
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE
from superpoint_tf.evaluation.results import Evaluation, Measured, Row, Table, counted
from superpoint_tf.evaluation.retrieval_measures import RETRIEVAL_MEASURES, MeasuredQuery, gain, values_of


@dataclass(frozen=True)
class BudgetResult:
    """What one method's strongest features found."""

    method: str
    budget: int
    queries: tuple[MeasuredQuery, ...]

    @property
    def group(self) -> str:
        """Return the name of the rows of this budget."""
        return counted(self.budget, "feature")


@dataclass(frozen=True)
class MeasuredRetrieval(Measured):
    """The methods on one set of places."""

    facts: dict[str, Any]
    setting: str
    protocol: PairProtocol
    methods: dict[str, dict[str, Any]]
    results: Sequence[BudgetResult]  # every method at every budget
    num_queries: int
    num_pictures: int  # of the database
    compared: Sequence[tuple[str, str]] = ()

    def rows(self) -> list[Row]:
        """Return the values of each budget and method."""
        return [
            {"group": r.group, "method": r.method, "pairs": len(r.queries), **values_of(r.queries)}
            for r in self.results
        ]

    def gains(self) -> list[Row]:
        """Return what the second method of each comparison gains over the first, at each budget."""
        found = {(result.method, result.group): result.queries for result in self.results}
        rows: list[Row] = []
        for before, after in self.compared:
            for group in dict.fromkeys(result.group for result in self.results):
                mean, error = gain(found[before, group], found[after, group])
                rows.append({"row": f"{after} - {before}", "budget": group, "gain": mean, "error": error})
        return rows

    def evaluation(self) -> Evaluation:
        rows, gains = self.rows(), self.gains()
        measured = f"{self.num_queries} queries, {self.num_pictures} pictures in the database"
        title = f"Retrieval. {measured}; pictures as {self.protocol}, RANSAC {self.protocol.ransac_px:g} px."
        compared = [Table(_GAIN, gains, "mAP gained, place by place")] if gains else []
        return Evaluation(
            "retrieval",
            self.facts,
            self.methods,
            {self.setting: self.protocol},
            {"rows": rows, "gains": gains, "queries": self.num_queries, "pictures": self.num_pictures},
            {"pairs.csv": list(self._lines())},
            console=[Table(_columns(TABLES), rows, title, names_group=True), *compared],
            markdown=[Table(_columns(TABLES), rows, title, names_group=True), *compared],
            report=[Table(_columns(REPORT), rows, "Retrieval", f"{measured}.")],
            title="Retrieval",
            measured=f"Protocol retrieval on {self.facts.get('data', '')}: {measured}, {len(self.methods)} methods.",
            note=f"{BOLD_NOTE} Pairs are queries.",
            definitions={"What each column means": {m.title: m.meaning for m in RETRIEVAL_MEASURES.values()}},
        )

    def _lines(self) -> Iterator[Row]:
        for result in self.results:
            for query in result.queries:
                yield {"budget": result.budget, "method": result.method, **query._asdict()}


_GAIN = {"row": Column("methods"), "budget": Column("budget"), "gain": Column("gain"), "error": Column("± ")}


def _columns(where: str) -> dict[str, Column]:
    shown = {name: measure for name, measure in RETRIEVAL_MEASURES.items() if where in measure.shown}
    return {"method": Column("method"), **shown}
