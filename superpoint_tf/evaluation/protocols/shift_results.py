"""What a run of the protocol `shifts` measured: its tables, a row a method and a column a shift."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from superpoint_tf.evaluation.measures import Column
from superpoint_tf.evaluation.pair_averages import PairResult, summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.shifts import PARTNERS_PX, SHIFTS_PX, group_name
from superpoint_tf.evaluation.report.console_table import ABSENT
from superpoint_tf.evaluation.results import Evaluation, Measured, Row, Table

VALUES = {  # title, digits
    "localization_px": (f"mean distance in px of mutual nearest partners within {PARTNERS_PX:g} px", 2),
    "within_1px": ("share that repeats within 1 px", 3),
}


@dataclass(frozen=True)
class MeasuredShifts(Measured):
    """The methods on pictures that were moved and not changed."""

    facts: dict[str, Any]
    setting: str
    protocol: PairProtocol
    methods: dict[str, dict[str, Any]]
    results: Sequence[PairResult]  # every method on every pair
    shifts_px: Sequence[float] = SHIFTS_PX

    def rows(self) -> list[Row]:
        """Return the averages over pictures and directions of each shift and method."""
        return summarize(self.results)

    def table(self, value: str) -> dict[str, dict[str, float]]:
        """Return one of VALUES by method, then by shift, such as `0.5 px`."""
        found = {(row["method"], row["group"]): float(row[value]) for row in self.rows()}
        names = [group_name(shift) for shift in self.shifts_px]
        return {method: {name: found[method, name] for name in names} for method in self.methods}

    def evaluation(self) -> Evaluation:
        names = [group_name(shift) for shift in self.shifts_px]
        found = {value: self._cells(value, digits) for value, (_, digits) in VALUES.items()}

        def columns(heading: str) -> dict[str, Column]:
            return {"row": Column(heading), **{name: Column(name) for name in names}}

        first = f"The same picture moved, nothing else changed: {self.protocol}."
        return Evaluation(
            "shifts",
            self.facts,
            self.methods,
            {self.setting: self.protocol},
            {"rows": {self.setting: self.rows()}},
            {"pairs.csv": list(self._pair_lines())},
            console=[
                Table(columns("method"), found[value], f"{title}, by how far the picture was moved")
                for value, (title, _) in VALUES.items()
            ],
            markdown=[
                Table(columns(title), found[value], "" if number else first)
                for number, (value, (title, _)) in enumerate(VALUES.items())
            ],
        )

    def _cells(self, value: str, digits: int) -> list[Row]:
        rows: list[Row] = []
        for method, by_shift in self.table(value).items():
            cells = {name: ABSENT if math.isnan(v) else f"{v:.{digits}f}" for name, v in by_shift.items()}
            rows.append({"row": method, **cells})
        return rows

    def _pair_lines(self) -> Iterator[Row]:
        for result in self.results:
            names: Row = {"setting": self.setting, "group": result.group, "pair": result.pair}
            yield {**names, "method": result.method, **result.values}
