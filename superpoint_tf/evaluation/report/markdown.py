"""Tables in Markdown, for a README or a paper's notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from superpoint_tf.drawing.panels import is_control
from superpoint_tf.evaluation.measures import Column
from superpoint_tf.evaluation.results import Table

ABSENT = "–"  # noqa: RUF001


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first row is `heading`."""
    return [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *rows)]


def markdown_text(tables: Iterable[Table]) -> str:
    """Return tables under their titles, groups under heading rows; controls are in italics."""
    blocks = [block for table in tables for block in (table.title, _markdown(table)) if block]
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _markdown(table: Table) -> str:
    lines = []
    group = None
    for row in table.rows:
        if table.names_group and row["group"] != group:
            group = row["group"]
            lines.append([f"**{group}** ({row['pairs']} pairs)", *[""] * (len(table.columns) - 1)])
        cells = [_cell(row.get(name), column) for name, column in table.columns.items()]
        lines.append([f"*{cells[0]}*" if is_control(str(row.get("method", ""))) else cells[0], *cells[1:]])
    return "\n".join(markdown_table([column.title for column in table.columns.values()], lines))


def _cell(value: float | str | None, column: Column) -> str:
    if isinstance(value, str):
        return value.replace("|", r"\|")
    return ABSENT if value is None or math.isnan(value) else f"{value:.{column.digits}f}"
