"""The evaluation's rows as aligned tables for the console."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from superpoint_tf.evaluation.columns import MEASURES, TABLES, shown
from superpoint_tf.evaluation.results import ShapesEvaluation

ABSENT = "-"  # a method without descriptors has no matches


def format_table(rows: Sequence[Mapping[str, float | str]], columns: Sequence[str] = ()) -> str:
    """Return rows of `measures.summarize` as lines of text: a header, then a line a row, groups under their names.

    Without `columns` they are the method and the measures that tables show.
    Text is aligned left, numbers right; what a row lacks and what is NaN is a dash. A single group has no heading.
    """
    columns = columns or ("method", *shown(TABLES))
    header = [MEASURES[column].title if column in MEASURES else column.replace("_", " ") for column in columns]
    cells = [[_format_cell(row.get(column), column) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    is_text = [any(isinstance(row.get(column), str) for row in rows) for column in columns]
    lines = [_format_line(header, widths, is_text), "-" * (sum(widths) + 2 * (len(widths) - 1))]
    with_headings = len({row.get("group") for row in rows}) > 1
    group = None
    for row, line in zip(rows, cells, strict=True):
        if with_headings and row.get("group") != group:
            group = row.get("group")
            lines.append(f"[{group}: {row['pairs']} pairs]" if "pairs" in row else f"[{group}]")
        lines.append(_format_line(line, widths, is_text))
    return "\n".join(lines)


def format_shapes_table(evaluation: ShapesEvaluation) -> str:
    """Return average precision on synthetic shapes: a row a method, clean then noisy, a column a primitive."""
    rows: list[dict[str, float | str]] = []
    for condition, methods in evaluation.precision.items():
        for method, values in methods.items():
            error = evaluation.localization_px[condition][method]["all"]
            rows.append({"group": condition, "method": method, "localization_px": error, **values})
    primitives = [key for key in rows[0] if key not in ("group", "method", "localization_px", "all")] if rows else []
    return format_table(rows, ("method", "all", *primitives, "localization_px"))


def _format_cell(value: float | str | None, column: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:.{MEASURES[column].digits if column in MEASURES else 3}f}"


def _format_line(cells: Sequence[str], widths: Sequence[int], is_text: Sequence[bool]) -> str:
    parts = zip(cells, widths, is_text, strict=True)
    return "  ".join(cell.ljust(width) if text else cell.rjust(width) for cell, width, text in parts).rstrip()
