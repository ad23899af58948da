"""The figures of an evaluation: how every measure depends on its threshold, and on the number of keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from superpoint_tf.drawing.panels import Curves, Panel, looks_of, plot_dots, plot_panels
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.measures import CURVES, PAIRS, THRESHOLD, Curve
from superpoint_tf.evaluation.pair_averages import PairResult
from superpoint_tf.evaluation.results import Figure, Row, group_counts

ACCURACY_THRESHOLDS_PX = np.linspace(0, 10, 101)
DOTS = "average_precision"  # the stem of the file
DOTS_CAPTION = "Average precision of each primitive; a dot a method, in the order of the legend."


def curve_figures(
    methods: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Sequence[Row]],
    budget_rows: Mapping[str, Sequence[Row]],
    results: Mapping[str, Sequence[PairResult]],
) -> list[Figure]:
    """Return the figures of CURVES: a row a setting, a column a group, a line a method; without values left out.

    Averages, averages at each budget and results of pairs are by setting.
    """
    looks = looks_of(methods)

    def curves_of(curve: Curve, setting: str, group: str) -> Curves:
        if curve.x == THRESHOLD:
            return threshold_curves(rows[setting], group, curve.y)
        if curve.x == PAIRS:
            return accuracy_curves(results[setting], group, curve.y)
        return budget_curves(budget_rows[setting], group, curve.x, curve.y)

    figures = []
    for stem, curve in CURVES.items():
        panels = [
            [Panel(f"{g}, {name}, {n} pairs", curves_of(curve, name, g)) for g, n in group_counts(found).items()]
            for name, found in rows.items()
        ]
        one_group = all(len(row) == 1 for row in panels)
        if one_group:  # the settings go beside each other
            panels = [[panel for row in panels for panel in row]]
        if any(panel.curves for row in panels for panel in row):
            picture = plot_panels(panels, looks, curve.xlabel, curve.ylabel, share_x=not one_group)
            figures.append(Figure(stem, picture, curve.caption))
    return figures


def dots_figures(
    methods: Mapping[str, Mapping[str, Any]], precision: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[Figure]:
    """Return the figure of average precision by condition, method and primitive: a panel a condition; or none."""
    if not precision:
        return []
    return [Figure(DOTS, plot_dots(precision, looks_of(methods), "average precision"), DOTS_CAPTION)]


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
