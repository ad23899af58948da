"""What a run of the protocol `shifts` measured: its table, a row a method and a column a shift, and its files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superpoint_tf.evaluation.measures import PairProtocol, PairResult, summarize
from superpoint_tf.evaluation.protocols.shifts import PARTNERS_PX, SHIFTS_PX, group_name
from superpoint_tf.evaluation.report.console_table import ABSENT, format_table
from superpoint_tf.evaluation.report.markdown import markdown_table
from superpoint_tf.evaluation.results import Row, csv_bytes, without_nan
from superpoint_tf.runtime import storage

VALUES = {  # title, digits
    "localization_px": (f"mean distance in px of mutual nearest partners within {PARTNERS_PX:g} px", 2),
    "within_1px": ("share that repeats within 1 px", 3),
}


@dataclass(frozen=True)
class ShiftsEvaluation:
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

    def save(self, folder: str | Path) -> None:
        """Write summary.json, pairs.csv and table.md into a folder."""
        summary = {
            "protocol": "shifts",
            **self.facts,
            "methods": self.methods,
            "settings": {self.setting: asdict(self.protocol)},
            "rows": {self.setting: self.rows()},
        }
        storage.write_json(f"{folder}/summary.json", without_nan(summary))
        storage.write_bytes(f"{folder}/pairs.csv", csv_bytes(self._pair_lines()))
        storage.write_bytes(f"{folder}/table.md", shifts_markdown(evaluation=self).encode())

    def _pair_lines(self) -> Iterator[Row]:
        for result in self.results:
            names: Row = {"setting": self.setting, "group": result.group, "pair": result.pair}
            yield {**names, "method": result.method, **result.values}


def format_shifts_table(evaluation: ShiftsEvaluation) -> str:
    """Return both values of each method for the console, a column a shift."""
    return "\n\n".join(
        f"{title}, by how far the picture was moved\n{format_table(_rows(evaluation, value, digits), columns)}"
        for value, (title, digits) in VALUES.items()
        for columns in [("method", *map(group_name, evaluation.shifts_px))]
    )


def shifts_markdown(evaluation: ShiftsEvaluation) -> str:
    """Return the same in Markdown."""
    lines = [f"The same picture moved, nothing else changed: {evaluation.protocol}."]
    for value, (title, digits) in VALUES.items():
        heading = [title, *map(group_name, evaluation.shifts_px)]
        rows = [[str(cell).replace("|", r"\|") for cell in row.values()] for row in _rows(evaluation, value, digits)]
        lines += ["", *markdown_table(heading, rows)]
    return "\n".join(lines) + "\n"


def _rows(evaluation: ShiftsEvaluation, value: str, digits: int) -> list[Row]:
    rows: list[Row] = []
    for method, by_shift in evaluation.table(value).items():
        cells = {name: ABSENT if math.isnan(v) else f"{v:.{digits}f}" for name, v in by_shift.items()}
        rows.append({"method": method, **cells})
    return rows
