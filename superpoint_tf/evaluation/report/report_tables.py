"""Tables as HTML."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from superpoint_tf.drawing.panels import is_control
from superpoint_tf.evaluation.measures import HIGH, LOW, Column, Measure
from superpoint_tf.evaluation.report.report_html import element, folded, number_cell, table, text_element
from superpoint_tf.evaluation.results import Row, Table, group_counts

BOLD_NOTE = "Bold is the best method of a column. Controls, in italics, see nothing: what they reach is free."
DASH_NOTE = "A dash is a value that does not exist: without descriptors there are no matches."


def best_of(values: Sequence[float | None], eligible: Sequence[bool], digits: int, better: str = HIGH) -> list[bool]:
    """Tell which eligible values are the best as they are printed; none if there are no two different ones."""
    printed = [
        round(value, digits) if may and value is not None and math.isfinite(value) else None
        for value, may in zip(values, eligible, strict=True)
    ]
    candidates = {value for value in printed if value is not None}
    if len(candidates) < 2 or not better:
        return [False] * len(printed)
    best = min(candidates) if better == LOW else max(candidates)
    return [value == best for value in printed]


def report_table(drawn: Table) -> str:
    """Return a table under its title; a heading and a table for each group if its rows have one."""
    heading = text_element("h3", drawn.title)
    heading += text_element("p", drawn.note, class_="faint") if drawn.note else ""
    if not any("group" in row for row in drawn.rows):
        return heading + methods_table(drawn.rows, drawn.columns)
    blocks = [heading]
    for group, count in group_counts(drawn.rows).items():
        said = drawn.groups.get(group)
        blocks.append(text_element("h4", f"{said.title if said else group} ({count} pairs)"))
        if said and said.warning:
            blocks.append(text_element("p", said.warning))
        blocks.append(methods_table([row for row in drawn.rows if row["group"] == group], drawn.columns))
    return "\n".join(blocks)


def methods_table(rows: Sequence[Row], columns: Mapping[str, Column]) -> str:
    """Return a table with a row a method and the best value of each column in bold, never a control's."""
    methods = [str(row["method"]) for row in rows]
    eligible = [not is_control(method) for method in methods]
    measures = {name: column for name, column in columns.items() if name != "method"}
    best = {n: best_of([_number(row, n) for row in rows], eligible, c.digits, c.better) for n, c in measures.items()}
    lines = []
    for number, (method, row) in enumerate(zip(methods, rows, strict=True)):
        cells = [number_cell(_number(row, name), c.digits, best[name][number]) for name, c in measures.items()]
        head = text_element("th", method, scope="row")
        lines.append(element("tr", head, *cells, class_="control" if is_control(method) else ""))
    titles = ["method", *(column.title for column in measures.values())]
    return table([text_element("th", title, scope="col") for title in titles], lines, class_="methods")


def sequence_tables(drawn: Table) -> str:
    """Return a folded table for each column: a row a sequence, a column a method; absent ones left out."""
    tables = []
    for name, column in drawn.columns.items():
        having = [row for row in drawn.rows if name in row]
        methods = list(dict.fromkeys(str(row["method"]) for row in having))
        if methods:
            title = (column.name if isinstance(column, Measure) else "") or column.title
            tables.append(folded(title, _sequence_table(having, methods, name, column)))
    return "\n".join(tables)


def _sequence_table(rows: Sequence[Row], methods: Sequence[str], name: str, column: Column) -> str:
    values = {(str(row["group"]), str(row["sequence"]), str(row["method"])): _number(row, name) for row in rows}
    eligible = [not is_control(method) for method in methods]
    lines = []
    for group in group_counts(rows):
        heading = text_element("th", group, scope="rowgroup")
        lines.append(element("tr", heading, f'<td colspan="{len(methods)}"></td>', class_="group"))
        for sequence in dict.fromkeys(sequence for where, sequence, _ in values if where == group):
            line = [values.get((group, sequence, method)) for method in methods]
            best = best_of(line, eligible, column.digits, column.better)
            cells = [
                number_cell(number, column.digits, is_best, "" if may else "control")
                for number, is_best, may in zip(line, best, eligible, strict=True)
            ]
            lines.append(element("tr", text_element("th", sequence, scope="row"), *cells))
    header = [text_element("th", "sequence", scope="col")]
    header += [text_element("th", name, scope="col", class_="control" if is_control(name) else "") for name in methods]
    return table(header, lines)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return None if value is None or isinstance(value, str) else float(value)
