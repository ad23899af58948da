"""The figures of an evaluation: how every measure depends on its threshold, and on the number of keypoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.drawing.panels import Curves, Panel, looks_of, plot_dots, plot_panels
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.measures import PairResult
from superpoint_tf.evaluation.results import UNINFORMATIVE_GROUP, PairsEvaluation, Row, ShapesEvaluation

ACCURACY_THRESHOLDS_PX = np.linspace(0, 10, 101)
CAPTIONS = {  # by file stem
    "repeatability": "Repeatability against the distance within which two keypoints are partners.",
    "homography_accuracy": "Share of pairs whose homography moves the frame's corners by no more than the threshold.",
    "matching_accuracy": "Mean matching accuracy (MMA): share of the matches within the threshold.",
    "keypoints_repeatability": "Repeatability against the number of keypoints in the shared area, at growing budgets.",
    "keypoints_homography": "H@3 against the number of keypoints, at growing budgets.",
    "average_precision": "Average precision of each primitive; a dot a method, in the order of the legend.",
}


@dataclass(frozen=True)
class _Plot:
    stem: str
    curves: Callable[[str, str], Curves]  # of a setting and a group
    xlabel: str
    ylabel: str


def pairs_figures(evaluation: PairsEvaluation) -> dict[str, np.ndarray]:
    """Return the figures of pairs by file stem, uint8 BGR: a row a setting, a column a group, a line a method.

    The stems are those of CAPTIONS; a figure that no method has values for is left out.
    """
    looks = looks_of(evaluation.methods)
    counts = {name: group_counts(evaluation.rows(name)) for name in evaluation.settings}
    figures = {}
    for plot in _pairs_plots(evaluation):
        panels = [
            [Panel(f"{g}, {name}, {n} pairs", plot.curves(name, g)) for g, n in groups.items()]
            for name, groups in counts.items()
        ]
        one_group = all(len(row) == 1 for row in panels)
        if one_group:  # the settings go beside each other
            panels = [[panel for row in panels for panel in row]]
        if any(panel.curves for row in panels for panel in row):
            figures[plot.stem] = plot_panels(panels, looks, plot.xlabel, plot.ylabel, share_x=not one_group)
    return figures


def shapes_figures(evaluation: ShapesEvaluation) -> dict[str, np.ndarray]:
    """Return the figure of average precision by file stem, uint8 BGR: a panel a condition, a band a primitive."""
    if not evaluation.precision:
        return {}
    return {"average_precision": plot_dots(evaluation.precision, looks_of(evaluation.methods), "average precision")}


def _pairs_plots(evaluation: PairsEvaluation) -> list[_Plot]:
    rows = {name: evaluation.rows(name) for name in evaluation.settings}
    budgets = {name: evaluation.budget_rows(name) for name in evaluation.settings}

    def along_threshold(value: str) -> Callable[[str, str], Curves]:
        return lambda setting, group: threshold_curves(rows[setting], group, value)

    def along_keypoints(x: str, y: str) -> Callable[[str, str], Curves]:
        return lambda setting, group: budget_curves(budgets[setting], group, x, y)

    def accuracy(setting: str, group: str) -> Curves:
        return accuracy_curves(evaluation.results[setting], group)

    threshold, keypoints = "threshold, px", "keypoints an image"
    return [
        _Plot("repeatability", along_threshold("repeatability"), threshold, "repeatability"),
        _Plot("homography_accuracy", accuracy, threshold, "homography accuracy"),
        _Plot("matching_accuracy", along_threshold("mma"), threshold, "MMA"),
        _Plot(
            "keypoints_repeatability",
            along_keypoints("shared_keypoints", "repeatability"),
            f"{keypoints}, shared area",
            "repeatability",
        ),
        _Plot("keypoints_homography", along_keypoints("keypoints", "h_3"), keypoints, "H@3"),
    ]


def threshold_curves(rows: Iterable[Row], group: str, value: str) -> Curves:
    """Return `value`_1 .. `value`_10 of a group's rows against 1..10 px; methods without them are left out."""
    names = [f"{value}_{threshold}" for threshold in metrics.MMA_THRESHOLDS_PX]
    x = np.array(metrics.MMA_THRESHOLDS_PX, np.float64)
    return {
        str(row["method"]): (x, np.array([row[name] for name in names], np.float64))
        for row in rows
        if row["group"] == group and names[0] in row
    }


def accuracy_curves(results: Sequence[PairResult], group: str) -> Curves:
    """Return the homography accuracy of a group's pairs at 0, 0.1, .. 10 px; methods without descriptors are left out.

    A method that fails on every pair is 0 throughout.
    """
    errors: dict[str, list[float]] = {}
    for result in results:
        if result.group == group and "corner_error_px" in result.values:
            errors.setdefault(result.method, []).append(result.values["corner_error_px"])
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
