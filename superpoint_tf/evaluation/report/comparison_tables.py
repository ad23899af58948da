"""Paired differences as text, for the console, and in Markdown."""

from __future__ import annotations

import math

from superpoint_tf.evaluation.columns import MEASURES
from superpoint_tf.evaluation.comparison import Difference
from superpoint_tf.evaluation.report.console_table import ABSENT, format_table
from superpoint_tf.evaluation.report.markdown import markdown_table
from superpoint_tf.evaluation.results import Comparison, PairsEvaluation, Row

NOTE = "mean of the paired differences with its standard error over pairs; * beyond two standard errors"
_COLUMNS = ("value", "difference", "standard error", "pairs compared", "left out", "mark")
_DIGITS = 4


def format_comparisons(evaluation: PairsEvaluation, setting: str) -> str:
    """Return a table a comparison, its groups under their names; empty if nothing was to be compared."""
    by_title: dict[str, list[Row]] = {}
    for comparison in evaluation.comparisons(setting):
        rows = [dict(zip(_COLUMNS, _cells(d), strict=True)) for d in comparison.differences]
        by_title.setdefault(_title(comparison), []).extend({"group": comparison.group, **row} for row in rows)
    return "\n\n".join(f"{title}, {setting}: {NOTE}\n{_table(rows)}" for title, rows in by_title.items())


def comparisons_markdown(evaluation: PairsEvaluation) -> str:
    """Return all comparisons at all settings as one table; empty if nothing was to be compared."""
    lines = [
        [_title(comparison).replace("|", r"\|"), setting, comparison.group, *_cells(difference)]
        for setting in evaluation.settings
        for comparison in evaluation.comparisons(setting)
        for difference in comparison.differences
    ]
    if not lines:
        return ""
    table = markdown_table(["compared", "setting", "group", *_COLUMNS[:-1], "*"], lines)
    return "\n".join(["", f"Compared: {NOTE}.", "", *table]) + "\n"


def _title(comparison: Comparison) -> str:
    return f"{comparison.second} - {comparison.first}"


def _table(rows: list[Row]) -> str:
    lines = format_table(rows, _COLUMNS).splitlines()
    if len({row["group"] for row in rows}) == 1:
        lines.insert(2, f"[{rows[0]['group']}]")
    return "\n".join(lines)


def _cells(difference: Difference) -> list[str]:
    mean, error = (
        ABSENT if math.isnan(number) else f"{number:{sign}.{_DIGITS}f}"
        for number, sign in ((difference.mean, "+"), (difference.standard_error, ""))
    )
    counts = [str(difference.pairs), str(difference.left_out)]
    return [MEASURES[difference.value].title, mean, error, *counts, "*" if difference.significant else ""]
