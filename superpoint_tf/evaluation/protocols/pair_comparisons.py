"""Paired differences of two rows as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from superpoint_tf.evaluation.comparison import Difference
from superpoint_tf.evaluation.measures import MEASURES, Column
from superpoint_tf.evaluation.report.console_table import ABSENT
from superpoint_tf.evaluation.results import Row, Table

NOTE = "mean of the paired differences with its standard error over pairs; * beyond two standard errors"
_COLUMNS = ("value", "difference", "standard error", "pairs compared", "left out", "mark")
_DIGITS = 4


@dataclass(frozen=True)
class Comparison:
    """What changes from `first` to `second` in a group of pairs; each is the name of a row, or says how pairs are."""

    first: str
    second: str
    group: str
    differences: list[Difference]


def comparison_row(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as summary.json has it."""
    differences = {d.value: {**asdict(d), "significant": d.significant} for d in comparison.differences}
    return {**asdict(comparison), "differences": differences}


def comparison_tables(comparisons: Iterable[Comparison], setting: str) -> list[Table]:
    """Return a table a comparison, its groups under their names."""
    by_title: dict[str, list[Row]] = {}
    for comparison in comparisons:
        rows = [dict(zip(_COLUMNS, _cells(d), strict=True)) for d in comparison.differences]
        by_title.setdefault(_title(comparison), []).extend({"group": comparison.group, **row} for row in rows)
    columns = {name: Column(name) for name in _COLUMNS}
    return [Table(columns, rows, f"{title}, {setting}: {NOTE}", names_group=True) for title, rows in by_title.items()]


def comparisons_table(comparisons: Mapping[str, Iterable[Comparison]]) -> list[Table]:
    """Return all comparisons at all settings as one table; none if nothing was to be compared."""
    names = ("compared", "setting", "of", *_COLUMNS)
    rows: list[Row] = [
        dict(zip(names, [_title(comparison), setting, comparison.group, *_cells(difference)], strict=True))
        for setting, found in comparisons.items()
        for comparison in found
        for difference in comparison.differences
    ]
    columns = {name: Column({"of": "group", "mark": "*"}.get(name, name)) for name in names}
    return [Table(columns, rows, f"Compared: {NOTE}.")] if rows else []


def _title(comparison: Comparison) -> str:
    return f"{comparison.second} - {comparison.first}"


def _cells(difference: Difference) -> list[str]:
    mean, error = (
        ABSENT if math.isnan(number) else f"{number:{sign}.{_DIGITS}f}"
        for number, sign in ((difference.mean, "+"), (difference.standard_error, ""))
    )
    counts = [str(difference.pairs), str(difference.left_out)]
    return [MEASURES[difference.value].title, mean, error, *counts, "*" if difference.significant else ""]
