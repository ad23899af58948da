"""The figures of an evaluation: how every measure depends on its threshold, and on the number of keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from superpoint_tf.drawing.panels import Curves, Panel, looks_of, plot_dots, plot_panels
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.columns import CURVES, PAIRS, THRESHOLD, Curve
from superpoint_tf.evaluation.measures import PairResult
from superpoint_tf.evaluation.results import UNINFORMATIVE_GROUP, PairsEvaluation, Row, ShapesEvaluation

ACCURACY_THRESHOLDS_PX = np.linspace(0, 10, 101)
DOTS = "average_precision"  # the stem of the file
DOTS_CAPTION = "Average precision of each primitive; a dot a method, in the order of the legend."


def pairs_figures(evaluation: PairsEvaluation) -> dict[str, np.ndarray]:
    """Return the figures of pairs by file stem, uint8 BGR: a row a setting, a column a group, a line a method.

    The stems are those of CURVES; a figure that no method has values for is left out.
    """
    looks = looks_of(evaluation.methods)
    rows = {name: evaluation.rows(name) for name in evaluation.settings}
    budgets = {name: evaluation.budget_rows(name) for name in evaluation.settings}
    counts = {name: group_counts(rows[name]) for name in evaluation.settings}

    def curves_of(curve: Curve, setting: str, group: str) -> Curves:
        if curve.x == THRESHOLD:
            return threshold_curves(rows[setting], group, curve.y)
        if curve.x == PAIRS:
            return accuracy_curves(evaluation.results[setting], group, curve.y)
        return budget_curves(budgets[setting], group, curve.x, curve.y)

    figures = {}
    for stem, curve in CURVES.items():
        panels = [
            [Panel(f"{g}, {name}, {n} pairs", curves_of(curve, name, g)) for g, n in groups.items()]
            for name, groups in counts.items()
        ]
        one_group = all(len(row) == 1 for row in panels)
        if one_group:  # the settings go beside each other
            panels = [[panel for row in panels for panel in row]]
        if any(panel.curves for row in panels for panel in row):
            figures[stem] = plot_panels(panels, looks, curve.xlabel, curve.ylabel, share_x=not one_group)
    return figures


def shapes_figures(evaluation: ShapesEvaluation) -> dict[str, np.ndarray]:
    """Return the figure of average precision by file stem, uint8 BGR: a panel a condition, a band a primitive."""
    if not evaluation.precision:
        return {}
    return {DOTS: plot_dots(evaluation.precision, looks_of(evaluation.methods), "average precision")}


def threshold_curves(rows: Iterable[Row], group: str, value: str) -> Curves:
    """Return `value`_1 .. `value`_10 of a group's rows against 1..10 px; methods without them are left out."""
    names = [f"{value}_{threshold}" for threshold in metrics.MMA_THRESHOLDS_PX]
    x = np.array(metrics.MMA_THRESHOLDS_PX, np.float64)
    return {
        str(row["method"]): (x, np.array([row[name] for name in names], np.float64))
        for row in rows
        if row["group"] == group and names[0] in row
    }


def accuracy_curves(results: Sequence[PairResult], group: str, error: str = "corner_error_px") -> Curves:
    """Return the share of a group's pairs with an error of at most 0, 0.1, .. 10 px; methods without it are left out.

    A method that fails on every pair is 0 throughout.
    """
    errors: dict[str, list[float]] = {}
    for result in results:
        if result.group == group and error in result.values:
            errors.setdefault(result.method, []).append(result.values[error])
    x = ACCURACY_THRESHOLDS_PX
    return {
        method: (x, np.array([metrics.homography_accuracy(found, threshold) for threshold in x]))
        for method, found in errors.items()
    }


def budget_curves(rows: Iterable[Row], group: str, x: str, y: str) -> Curves:
    """Return two values of a group's rows against each other, a point a budget; methods without them are left out."""
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["group"] == group and x in row and y in row:
            points.setdefault(str(row["method"]), []).append((float(row[x]), float(row[y])))
    return {method: (np.array(along)[:, 0], np.array(along)[:, 1]) for method, along in points.items()}


def group_counts(rows: Iterable[Row]) -> dict[str, int]:
    """Return the number of pairs of each group, in the order to read them: the standard i_ pairs last."""
    counts = {str(row["group"]): int(row["pairs"]) for row in rows}
    return dict(sorted(counts.items(), key=lambda item: item[0] == UNINFORMATIVE_GROUP))
