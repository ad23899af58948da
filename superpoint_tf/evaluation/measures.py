"""Every measure of pairs of images in one table: how it is computed, what it means, where it is shown.

A new measure is a function in `metrics` and a row of MEASURES. Rows stand in the order of the files (pairs.csv,
summary.json); tables show what has a better end first, then what is only counted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.pair_protocol import MeasuredPair, PairProtocol

HIGH, LOW = "high", "low"
DETECTOR, MATCHING = "detector", "matching"
# Where a measure is shown: the tables of console and Markdown, those of the report, sequence by sequence, and pair by
# pair where two methods are compared.
TABLES, REPORT, SEQUENCES, COMPARED = "tables", "report", "sequences", "compared"
THRESHOLD, PAIRS = "threshold", "pairs"  # what a curve may run along besides a count of keypoints
HOMOGRAPHY_THRESHOLDS_PX = (1, 3, 5)


def mean(values: np.ndarray) -> float:
    """Return the mean over pairs; NaN over none."""
    return float(values.mean()) if len(values) else float("nan")


def mean_of_present(values: np.ndarray) -> float:
    """Return the mean over the pairs that have a value; NaN if none has."""
    return mean(values[~np.isnan(values)])


@dataclass(frozen=True)
class Column:
    """A column of a table, whatever it holds."""

    title: str
    digits: int = 3  # after the point
    better: str = ""  # HIGH or LOW; empty: it is only counted


@dataclass(frozen=True)
class Measure(Column):
    """One measure of pairs: a row of MEASURES and a column of tables."""

    needs: str = ""  # DETECTOR or MATCHING, the values that are asked for; empty: computed in any case
    of_pair: Callable[[MeasuredPair], float] | None = None  # None: made of another measure's values, see `source`
    average: Callable[[np.ndarray], float] | None = mean  # over pairs; None: pairs alone have it
    source: str = ""  # whose values of pairs are averaged; empty: its own
    shown: tuple[str, ...] = ()  # of TABLES, REPORT, SEQUENCES, COMPARED
    name: str = ""  # in full; empty: the title is
    family: str = ""  # the title over `meaning`, where rows that differ by a threshold share it
    meaning: str = ""  # a paragraph of the report; may say {within} and {ransac}

    @property
    def term(self) -> str:
        """Return what `meaning` explains."""
        return self.family or ", ".join(filter(None, (self.title, self.name)))


@dataclass(frozen=True)
class Curve:
    """One figure of pairs: a measure along its threshold, or against the number of keypoints at growing budgets."""

    y: str  # a measure; along THRESHOLD the stem of a family: `y`_1 .. `y`_10
    x: str  # THRESHOLD; PAIRS: the share of pairs with a value of at most 0 .. 10; else a measure that counts
    ylabel: str
    xlabel: str
    caption: str


_ALL = (TABLES, REPORT, SEQUENCES, COMPARED)
_MATCHING_ACCURACY: dict[str, Any] = {
    "family": "MMA@t, mean matching accuracy",
    "meaning": "The share of a pair's matches within t px of the true homography, mean over pairs. No matches: 0.",
}
_HOMOGRAPHY_ACCURACY: dict[str, Any] = {
    "family": "H@e, homography accuracy",
    "meaning": "The share of pairs whose homography puts the four corners of the frame within e px of the truth, on "
    "average. It is estimated from the matches by RANSAC ({ransac}). No estimate is a miss.",
}
_HOMOGRAPHY_AREA: dict[str, Any] = {
    "family": "AUC@e",
    "meaning": "The area under the curve of H from 0 to e px, over e. Not the same as H@e.",
}


def _repeatability(pair: MeasuredPair, threshold_px: float) -> float:
    return metrics.repeatability(*pair.partner_distances, threshold_px)


def _accuracy(pair: MeasuredPair, index: int) -> float:
    return float(pair.matching_accuracy[index])


# fmt: off
MEASURES: dict[str, Measure] = {
    "pairs": Measure("pairs", 0),
    "keypoints": Measure(
        "keypoints", 0,
        of_pair=lambda pair: sum(map(len, pair.points)) / 2,
        shown=(TABLES, REPORT),
        meaning="Mean number of keypoints of an image, within the budget.",
    ),
    "repeatability": Measure(
        "repeat.", 3, HIGH, DETECTOR,
        lambda pair: _repeatability(pair, pair.protocol.distance_px),
        shown=_ALL, name="repeatability",
        meaning="The share of the keypoints of both views that have one of the other view within {within} under the "
        "true homography. It takes the strongest keypoints, up to the budget, of the area that both views show. None "
        "there: 0.",
    ),
    **{
        f"repeatability_{t}": Measure(
            f"repeat.@{t}", 3, HIGH, DETECTOR, functools.partial(_repeatability, threshold_px=t)
        )
        for t in metrics.MMA_THRESHOLDS_PX
    },
    "localization_px": Measure(
        "loc px", 2, LOW, DETECTOR,
        lambda pair: metrics.localization_error(*pair.partner_distances, pair.protocol.distance_px),
        average=mean_of_present,
        shown=(TABLES, REPORT, COMPARED), name="localization error",
        meaning="The mean distance of the partners that repeatability counts, in pixels of the setting's image size. "
        "Less is better. Pairs without partners do not count.",
    ),
    "shared_keypoints": Measure(  # that took part: in the shared area, within the budget
        "shared", 0, needs=DETECTOR, of_pair=lambda pair: sum(map(len, pair.partner_distances)) / 2
    ),
    "matching_score": Measure(
        "match.sc.", 3, HIGH, MATCHING,
        lambda pair: metrics.matching_score(*pair.points, pair.matches, *pair.truth, pair.protocol.distance_px),
        shown=_ALL, name="matching score",
        meaning="Matches within {within} of the true homography, over the keypoints in the shared area, mean of both "
        "views. Matches are mutual nearest neighbours of the descriptors among the strongest keypoints, up to the "
        "budget, of the whole images.",
    ),
    "nn_map": Measure(
        "NN mAP", 3, HIGH, MATCHING,
        lambda pair: metrics.nearest_neighbour_map(
            *pair.points, *pair.descriptors, *pair.truth, pair.protocol.distance_px
        ),
        shown=(TABLES, REPORT, COMPARED), name="nearest-neighbour mAP",
        meaning="Each keypoint of the shared area answers with its nearest neighbour, ranked by descriptor distance, "
        "right within {within}. The area under the curve of precision over recall, mean of both directions.",
    ),
    **{
        f"mma_{t}": Measure(
            f"MMA@{t}", 3, HIGH, MATCHING,
            functools.partial(_accuracy, index=index),
            shown={1: (COMPARED,), 3: _ALL}.get(t, ()),
            **_MATCHING_ACCURACY,
        )
        for index, t in enumerate(metrics.MMA_THRESHOLDS_PX)
    },
    "corner_error_px": Measure(  # a failure is inf: only its rank has a mean
        "corner px", 2, LOW, MATCHING,
        lambda pair: metrics.homography_error(pair.estimated_homography, *pair.truth),
        average=None,
    ),
    **{
        f"h_{t}": Measure(
            f"H@{t}", 3, HIGH, source="corner_error_px",
            average=functools.partial(metrics.homography_accuracy, threshold_px=t),
            shown=_ALL if t == 3 else (TABLES, REPORT, COMPARED),
            **_HOMOGRAPHY_ACCURACY,
        )
        for t in HOMOGRAPHY_THRESHOLDS_PX
    },
    **{
        f"auc_{t}": Measure(
            f"AUC@{t}", 3, HIGH, source="corner_error_px",
            average=functools.partial(metrics.homography_auc, threshold_px=t),
            shown=(REPORT,),
            **_HOMOGRAPHY_AREA,
        )
        for t in HOMOGRAPHY_THRESHOLDS_PX
    },
    "matches": Measure(
        "matches", 0, needs=MATCHING,
        of_pair=lambda pair: float(len(pair.matches)),
        shown=(TABLES, REPORT),
        meaning="Mean number of mutual nearest neighbours of a pair.",
    ),
}

CURVES: dict[str, Curve] = {  # by the stem of the figure's file
    "repeatability": Curve(
        "repeatability", THRESHOLD, "repeatability", "threshold, px",
        "Repeatability against the distance within which two keypoints are partners.",
    ),
    "homography_accuracy": Curve(
        "corner_error_px", PAIRS, "homography accuracy", "threshold, px",
        "Share of pairs whose homography moves the frame's corners by no more than the threshold.",
    ),
    "matching_accuracy": Curve(
        "mma", THRESHOLD, "MMA", "threshold, px",
        "Mean matching accuracy (MMA): share of the matches within the threshold.",
    ),
    "keypoints_repeatability": Curve(
        "repeatability", "shared_keypoints", "repeatability", "keypoints an image, shared area",
        "Repeatability against the number of keypoints in the shared area, at growing budgets.",
    ),
    "keypoints_homography": Curve(
        "h_3", "keypoints", "H@3", "keypoints an image", "H@3 against the number of keypoints, at growing budgets."
    ),
}
# fmt: on


def shown(where: str) -> dict[str, Measure]:
    """Return the measures that are shown somewhere, in the order of tables: what is only counted comes last."""
    found = [(name, measure) for name, measure in MEASURES.items() if where in measure.shown]
    return dict(sorted(found, key=lambda item: not item[1].better))


def column(name: str) -> Column:
    """Return the column of a measure, or of any other value by its own name."""
    return MEASURES.get(name) or Column(name.replace("_", " "))


def values_of_pair(pair: MeasuredPair, detector: bool, matching: bool) -> dict[str, float]:
    """Return the values of a pair: those that any method has, the detector's and the matching's if wanted."""
    wanted = {"": True, DETECTOR: detector, MATCHING: matching}
    return {name: m.of_pair(pair) for name, m in MEASURES.items() if m.of_pair and wanted[m.needs]}


def averages(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the averages that are made of a value of pairs: its own, or those of which it is the source."""
    if name not in MEASURES:
        return {name: mean(values)}
    made = {other: m.average for other, m in MEASURES.items() if (m.source or other) == name}
    return {other: average(values) for other, average in made.items() if average is not None}


def definitions(protocols: Sequence[PairProtocol]) -> dict[str, str]:
    """Return what each column of the report's tables means, by its title."""
    within = " or ".join(dict.fromkeys(f"{protocol.distance_px:g} px" for protocol in protocols))
    ransac = " or ".join(dict.fromkeys(f"{protocol.ransac_px:g} px" for protocol in protocols))
    return {m.term: m.meaning.format(within=within, ransac=ransac) for m in shown(REPORT).values() if m.meaning}
