"""The tables of the HTML report, from rows of averages; and what their columns mean."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from superpoint_tf.drawing.panels import is_control
from superpoint_tf.evaluation.measures import PairProtocol
from superpoint_tf.evaluation.report.console_table import COLUMNS
from superpoint_tf.evaluation.report.curves import group_counts
from superpoint_tf.evaluation.report.report_html import element, folded, number_cell, table, text_element
from superpoint_tf.evaluation.results import UNINFORMATIVE_GROUP, Row

PAIRS_COLUMNS = (
    "repeatability", "localization_px", "matching_score", "nn_map", "mma_3", "h_1", "h_3", "h_5",
    "auc_1", "auc_3", "auc_5", "keypoints", "matches",
)  # fmt: skip
SEQUENCE_COLUMNS = {
    "repeatability": "repeatability",
    "matching_score": "matching score",
    "mma_3": "MMA@3",
    "h_3": "H@3",
}
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
_WITHOUT_BEST = ("keypoints", "matches")  # more is not better


def best_of(values: Sequence[float | None], eligible: Sequence[bool], digits: int, lowest: bool = False) -> list[bool]:
    """Tell which eligible values are the best as they are printed; none if there are no two different ones."""
    printed = [
        round(value, digits) if may and value is not None and math.isfinite(value) else None
        for value, may in zip(values, eligible, strict=True)
    ]
    candidates = {value for value in printed if value is not None}
    if len(candidates) < 2:
        return [False] * len(printed)
    best = min(candidates) if lowest else max(candidates)
    return [value == best for value in printed]


def group_blocks(rows: Sequence[Row], columns: Sequence[str] = PAIRS_COLUMNS) -> str:
    """Return a heading and a table of all methods for each group, the standard i_ pairs last with a warning."""
    blocks = []
    for group, count in group_counts(rows).items():
        blocks.append(text_element("h4", f"{GROUP_TITLES.get(group, group)} ({count} pairs)"))
        if group == UNINFORMATIVE_GROUP:
            blocks.append(text_element("p", STANDING_STILL))
        members = [row for row in rows if row["group"] == group]
        values = {str(row["method"]): {name: _number(row, name) for name in columns} for row in members}
        blocks.append(methods_table(values, {name: COLUMNS[name] for name in columns}))
    return "\n".join(blocks)


def methods_table(
    values: Mapping[str, Mapping[str, float | None]],
    columns: Mapping[str, tuple[str, int]],
    lowest: Collection[str] = ("localization_px",),
) -> str:
    """Return a table with a row a method and the best value of each column in bold, never a control's.

    `values` are by method and column, `columns` gives title and digits, `lowest` the columns where less is better.
    """
    eligible = [not is_control(method) for method in values]
    best = {}
    for name, (_, digits) in columns.items():
        column = [by_column.get(name) for by_column in values.values()]
        best[name] = best_of(column, [may and name not in _WITHOUT_BEST for may in eligible], digits, name in lowest)
    rows = []
    for number, (method, by_column) in enumerate(values.items()):
        cells = [number_cell(by_column.get(n), digits, best[n][number]) for n, (_, digits) in columns.items()]
        head = text_element("th", method, scope="row")
        rows.append(element("tr", head, *cells, class_="control" if is_control(method) else ""))
    header = [text_element("th", title, scope="col") for title in ("method", *(title for title, _ in columns.values()))]
    return table(header, rows, class_="methods")


def sequence_tables(rows: Sequence[Row]) -> str:
    """Return a folded table for each of SEQUENCE_COLUMNS: a row a sequence, a column a method; absent ones left out."""
    tables = []
    for value, title in SEQUENCE_COLUMNS.items():
        having = [row for row in rows if value in row]
        methods = list(dict.fromkeys(str(row["method"]) for row in having))
        if methods:
            tables.append(folded(title, _sequence_table(having, methods, value)))
    return "\n".join(tables)


def _sequence_table(rows: Sequence[Row], methods: Sequence[str], value: str) -> str:
    values = {(str(row["group"]), str(row["sequence"]), str(row["method"])): _number(row, value) for row in rows}
    eligible = [not is_control(method) for method in methods]
    lines = []
    for group in group_counts(rows):
        heading = text_element("th", group, scope="rowgroup")
        lines.append(element("tr", heading, f'<td colspan="{len(methods)}"></td>', class_="group"))
        for sequence in dict.fromkeys(name for where, name, _ in values if where == group):
            line = [values.get((group, sequence, method)) for method in methods]
            best = best_of(line, eligible, COLUMNS[value][1])
            cells = [
                number_cell(number, COLUMNS[value][1], is_best, "" if may else "control")
                for number, is_best, may in zip(line, best, eligible, strict=True)
            ]
            lines.append(element("tr", text_element("th", sequence, scope="row"), *cells))
    header = [text_element("th", "sequence", scope="col")]
    header += [text_element("th", name, scope="col", class_="control" if is_control(name) else "") for name in methods]
    return table(header, lines)


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return None if value is None or isinstance(value, str) else float(value)


def pairs_definitions(protocols: Sequence[PairProtocol]) -> dict[str, str]:
    """Return what each column of the tables over pairs means, by its title."""
    within = " or ".join(dict.fromkeys(f"{protocol.distance_px:g} px" for protocol in protocols))
    ransac = " or ".join(dict.fromkeys(f"{protocol.ransac_px:g} px" for protocol in protocols))
    title = {name: heading for name, (heading, _) in COLUMNS.items()}
    return {
        f"{title['repeatability']}, repeatability": f"The share of the keypoints of both views that have one of the "
        f"other view within {within} under the true homography. It takes the strongest keypoints, up to the budget, "
        "of the area that both views show. None there: 0.",
        f"{title['localization_px']}, localization error": "The mean distance of the partners that repeatability "
        "counts, in pixels of the setting's image size. Less is better. Pairs without partners do not count.",
        f"{title['matching_score']}, matching score": f"Matches within {within} of the true homography, over the "
        "keypoints in the shared area, mean of both views. Matches are mutual nearest neighbours of the descriptors "
        "among the strongest keypoints, up to the budget, of the whole images.",
        f"{title['nn_map']}, nearest-neighbour mAP": "Each keypoint of the shared area answers with its nearest "
        f"neighbour, ranked by descriptor distance, right within {within}. The area under the curve of precision over "
        "recall, mean of both directions.",
        "MMA@t, mean matching accuracy": "The share of a pair's matches within t px of the true homography, mean over "
        "pairs. No matches: 0.",
        "H@e, homography accuracy": "The share of pairs whose homography puts the four corners of the frame within "
        f"e px of the truth, on average. It is estimated from the matches by RANSAC ({ransac}). No estimate is a miss.",
        "AUC@e": "The area under the curve of H from 0 to e px, over e. Not the same as H@e.",
        title["keypoints"]: "Mean number of keypoints of an image, within the budget.",
        title["matches"]: "Mean number of mutual nearest neighbours of a pair.",
    }


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
