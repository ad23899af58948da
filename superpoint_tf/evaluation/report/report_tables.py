"""The tables of the HTML report, from rows of averages; and what their columns mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from superpoint_tf.drawing.panels import is_control
from superpoint_tf.evaluation.columns import HIGH, LOW, REPORT, SEQUENCES, Measure, shown
from superpoint_tf.evaluation.measures import PairProtocol
from superpoint_tf.evaluation.report.curves import group_counts
from superpoint_tf.evaluation.report.report_html import element, folded, number_cell, table, text_element
from superpoint_tf.evaluation.results import UNINFORMATIVE_GROUP, Row

GROUP_TITLES = {
    "v": "v: the viewpoint changes",
    "i shifted": "i shifted: the light changes, and the second image is cut a few pixels aside",
    "i": "i: the light changes, as the benchmark has it",
    "random": "random: photographs and their warps by random homographies",
}
STANDING_STILL = (
    "Most standard i_ pairs have the identity as homography, so a fixed grid, whose points never move, wins here. "
    "Judge on v and i shifted."
)


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


def group_blocks(rows: Sequence[Row]) -> str:
    """Return a heading and a table of all methods for each group, the standard i_ pairs last with a warning."""
    blocks = []
    columns = shown(REPORT)
    for group, count in group_counts(rows).items():
        blocks.append(text_element("h4", f"{GROUP_TITLES.get(group, group)} ({count} pairs)"))
        if group == UNINFORMATIVE_GROUP:
            blocks.append(text_element("p", STANDING_STILL))
        members = [row for row in rows if row["group"] == group]
        values = {str(row["method"]): {name: _number(row, name) for name in columns} for row in members}
        blocks.append(methods_table(values, columns))
    return "\n".join(blocks)


def methods_table(values: Mapping[str, Mapping[str, float | None]], columns: Mapping[str, Measure]) -> str:
    """Return a table with a row a method and the best value of each column in bold, never a control's.

    `values` are by method and column.
    """
    eligible = [not is_control(method) for method in values]
    best = {
        name: best_of([by_column.get(name) for by_column in values.values()], eligible, m.digits, m.better)
        for name, m in columns.items()
    }
    rows = []
    for number, (method, by_column) in enumerate(values.items()):
        cells = [number_cell(by_column.get(name), m.digits, best[name][number]) for name, m in columns.items()]
        head = text_element("th", method, scope="row")
        rows.append(element("tr", head, *cells, class_="control" if is_control(method) else ""))
    titles = ["method", *(measure.title for measure in columns.values())]
    return table([text_element("th", title, scope="col") for title in titles], rows, class_="methods")


def sequence_tables(rows: Sequence[Row]) -> str:
    """Return a folded table for each of the measures: a row a sequence, a column a method; absent ones left out."""
    tables = []
    for value, measure in shown(SEQUENCES).items():
        having = [row for row in rows if value in row]
        methods = list(dict.fromkeys(str(row["method"]) for row in having))
        if methods:
            tables.append(folded(measure.name or measure.title, _sequence_table(having, methods, value, measure)))
    return "\n".join(tables)


def _sequence_table(rows: Sequence[Row], methods: Sequence[str], value: str, measure: Measure) -> str:
    values = {(str(row["group"]), str(row["sequence"]), str(row["method"])): _number(row, value) for row in rows}
    eligible = [not is_control(method) for method in methods]
    lines = []
    for group in group_counts(rows):
        heading = text_element("th", group, scope="rowgroup")
        lines.append(element("tr", heading, f'<td colspan="{len(methods)}"></td>', class_="group"))
        for sequence in dict.fromkeys(name for where, name, _ in values if where == group):
            line = [values.get((group, sequence, method)) for method in methods]
            best = best_of(line, eligible, measure.digits, measure.better)
            cells = [
                number_cell(number, measure.digits, is_best, "" if may else "control")
                for number, is_best, may in zip(line, best, eligible, strict=True)
            ]
            lines.append(element("tr", text_element("th", sequence, scope="row"), *cells))
    header = [text_element("th", "sequence", scope="col")]
    header += [text_element("th", name, scope="col", class_="control" if is_control(name) else "") for name in methods]
    return table(header, lines)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return None if value is None or isinstance(value, str) else float(value)


def shapes_definitions(protocol: PairProtocol) -> dict[str, str]:
    """Return what the tables over synthetic shapes mean."""
    return {
        "average precision": f"Detections, after suppression within {protocol.nms_radius_px} px and without a "
        "threshold, are ranked by score over all pictures of the primitive. One is right if it is within "
        f"{protocol.distance_px:g} px of a true corner that no stronger one has taken. The area under the curve of "
        "precision over recall.",
        "localization error": "The mean distance in pixels of the right detections from their corners. Less is better.",
        "all": "All pictures together, those without corners included: everything found there is wrong. A primitive "
        "that has no corners has no column of its own.",
    }
