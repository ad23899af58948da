"""Tables as aligned lines for the console."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from superpoint_tf.evaluation.measures import TABLES, Column, column, shown
from superpoint_tf.evaluation.results import Table

ABSENT = "-"  # a method without descriptors has no matches


def console_text(tables: Iterable[Table]) -> str:
    """Return tables under their titles, an empty line between two."""
    return "\n\n".join(
        (f"{table.title}\n" if table.title else "") + format_table(table.rows, table.columns, table.names_group)
        for table in tables
    )


def format_table(
    rows: Sequence[Mapping[str, float | str]],
    columns: Mapping[str, Column] | Sequence[str] = (),
    names_group: bool = False,
) -> str:
    """Return rows as lines of text: a header, then a line a row, groups under their names.

    `columns` may be names alone; without any they are the method and the measures that tables show. Text is aligned
    left, numbers right; what a row lacks and what is NaN is a dash. A single group has no heading unless `names_group`.
    """
    if not isinstance(columns, Mapping):
        columns = {name: column(name) for name in columns or ("method", *shown(TABLES))}
    header = [column.title for column in columns.values()]
    cells = [[_format_cell(row.get(name), column) for name, column in columns.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    is_text = [any(isinstance(row.get(name), str) for row in rows) for name in columns]
    lines = [_format_line(header, widths, is_text), "-" * (sum(widths) + 2 * (len(widths) - 1))]
    with_headings = names_group or len({row.get("group") for row in rows}) > 1
    group = None
    for row, line in zip(rows, cells, strict=True):
        if with_headings and row.get("group") != group:
            group = row.get("group")
            lines.append(f"[{group}: {row['pairs']} pairs]" if "pairs" in row else f"[{group}]")
        lines.append(_format_line(line, widths, is_text))
    return "\n".join(lines)


def _format_cell(value: float | str | None, column: Column) -> str:
    if isinstance(value, str):
        return value
    return ABSENT if value is None or math.isnan(value) else f"{value:.{column.digits}f}"


def _format_line(cells: Sequence[str], widths: Sequence[int], is_text: Sequence[bool]) -> str:
    parts = zip(cells, widths, is_text, strict=True)
    return "  ".join(cell.ljust(width) if text else cell.rjust(width) for cell, width, text in parts).rstrip()
