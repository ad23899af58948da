"""Tables in Markdown, for a README or a paper's notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from superpoint_tf.drawing.panels import is_control
from superpoint_tf.evaluation.columns import DETECTOR, TABLES, Measure, shown
from superpoint_tf.evaluation.results import PairsEvaluation, Row, ShapesEvaluation

ABSENT = "–"  # noqa: RUF001


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first row is `heading`."""
    return [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *rows)]


def pairs_markdown(evaluation: PairsEvaluation) -> str:
    """Return one table, a heading row a group: the detector's columns at the first setting, all others at the last.

    With the two presets that is repeatability at 240x320 with 300 keypoints, the rest at 480x640 with 1000, as the
    paper reports them.
    """
    names = list(evaluation.settings)
    first, last = names[0], names[-1]
    low, high = evaluation.settings[first], evaluation.settings[last]
    columns = shown(TABLES)
    at_low, at_high = ([m.title for m in columns.values() if (m.needs == DETECTOR) == of] for of in (True, False))
    titles = [measure.title for measure in columns.values()]
    rows = []
    detector = {(row["group"], row["method"]): row for row in evaluation.rows(first)}
    group = None
    for row in evaluation.rows(last):
        if row["group"] != group:
            group = row["group"]
            rows.append([f"**{group}** ({row['pairs']} pairs)", *[""] * len(columns)])
        at_first = detector[group, row["method"]]
        cells = [_cell(at_first if m.needs == DETECTOR else row, name, m) for name, m in columns.items()]
        rows.append([_name(str(row["method"])), *cells])
    title = f"{_listed(at_low)}: {low}. {_listed(at_high)}: {high}. Right within {high.distance_px:g} px."
    return "\n".join([title, "", *markdown_table(["", *titles], rows)]) + "\n"


def shapes_markdown(evaluation: ShapesEvaluation) -> str:
    """Return average precision and localization error of each method, clean and noisy."""
    conditions = list(evaluation.precision)
    titles = [f"{title}, {condition}" for condition in conditions for title in ("AP", "loc px")]
    rows = []
    for method in evaluation.methods:
        cells = []
        for condition in conditions:
            precision = evaluation.precision[condition][method]["all"]
            error = evaluation.localization_px[condition][method]["all"]
            cells += [_number(precision, 3), _number(error, 2)]
        rows.append([_name(method), *cells])
    return "\n".join(markdown_table(["", *titles], rows)) + "\n"


def _listed(titles: Sequence[str]) -> str:
    return f"{', '.join(titles[:-1])} and {titles[-1]}"


def _name(method: str) -> str:
    plain = method.replace("|", r"\|")
    return f"*{plain}*" if is_control(method) else plain


def _cell(row: Row, name: str, measure: Measure) -> str:
    value = row.get(name)
    return ABSENT if value is None or isinstance(value, str) else _number(value, measure.digits)


def _number(value: float, digits: int) -> str:
    return ABSENT if math.isnan(value) else f"{value:.{digits}f}"
