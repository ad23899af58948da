"""Every measure of patches in one table, as `measures.MEASURES` is of pairs of images: a new one is a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation import patch_metrics
from superpoint_tf.evaluation.measures import HIGH, LOW, REPORT, TABLES, Column

IMBALANCE = 5  # negatives a positive, at which HPatches ranks pairs
_NO_PAIRS = np.zeros(0)


class MeasuredPatches(NamedTuple):
    """What a method said of one group; what was not asked or cannot be afforded is empty."""

    positive: np.ndarray  # distances of pairs of one point
    negative: dict[str, np.ndarray]  # of pairs of two, by where they come from: intra, inter; Brown's: ""
    matching: np.ndarray  # average precision and success rate of each pair of strips, (N, 2)
    retrieval: np.ndarray  # average precision of each query

    @property
    def all_negative(self) -> np.ndarray:
        """Return the distances of negative pairs wherever they come from."""
        return np.concatenate([_NO_PAIRS, *self.negative.values()])


@dataclass(frozen=True)
class PatchMeasure(Column):
    """One measure: a row of PATCH_MEASURES and a column of tables."""

    of: Callable[[MeasuredPatches], float] = lambda measured: float("nan")
    shown: tuple[str, ...] = (TABLES, REPORT)
    meaning: str = ""


def _auc(where: str) -> Callable[[MeasuredPatches], float]:
    return lambda m: patch_metrics.roc_auc(m.positive, m.negative.get(where, _NO_PAIRS))


def _precision(where: str, every: int) -> Callable[[MeasuredPatches], float]:
    def of(measured: MeasuredPatches) -> float:
        negative = measured.negative.get(where, _NO_PAIRS)
        if not len(negative):
            return float("nan")
        return patch_metrics.pairs_average_precision(measured.positive[::every], negative)

    return of


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


# fmt: off
PATCH_MEASURES: dict[str, PatchMeasure] = {
    "fpr95": PatchMeasure(
        "FPR95 %", 1, LOW,
        lambda m: 100 * patch_metrics.fpr95(m.positive, m.all_negative),
        meaning="Verification: the share of negative pairs no farther than the least distance that accepts 95 % of the "
        "positive ones, in percent. Half of the negatives are two points of one sequence, half of two sequences.",
    ),
    "auc": PatchMeasure(
        "AUC", 3, HIGH,
        lambda m: patch_metrics.roc_auc(m.positive, m.all_negative),
        meaning="Verification: the area under the ROC curve, against all negatives, against those of one sequence "
        "(intra), and of two (inter).",
    ),
    "auc_intra": PatchMeasure("AUC intra", 3, HIGH, _auc("intra"), (REPORT,)),
    "auc_inter": PatchMeasure("AUC inter", 3, HIGH, _auc("inter"), (REPORT,)),
    "ap_intra": PatchMeasure(
        "AP intra", 3, HIGH, _precision("intra", IMBALANCE),
        meaning="Verification: the average precision of pairs ranked by distance, five negatives a positive, or one "
        "(bal.).",
    ),
    "ap_inter": PatchMeasure("AP inter", 3, HIGH, _precision("inter", IMBALANCE)),
    "balanced_ap_intra": PatchMeasure("AP intra bal.", 3, HIGH, _precision("intra", 1), (REPORT,)),
    "balanced_ap_inter": PatchMeasure("AP inter bal.", 3, HIGH, _precision("inter", 1), (REPORT,)),
    "matching_map": PatchMeasure(
        "match. mAP", 3, HIGH, lambda m: _mean(m.matching[:, 0]),
        meaning="Each reference patch answers with the nearest patch of a strip. The average precision of the answers, "
        "ranked by distance, with recall of all patches; mean over strips.",
    ),
    "success_rate": PatchMeasure(
        "success", 3, HIGH, lambda m: _mean(m.matching[:, 1]),
        meaning="The share of these answers that are right, mean over strips.",
    ),
    "retrieval_map": PatchMeasure(
        "retr. mAP", 3, HIGH, lambda m: _mean(m.retrieval),
        meaning="The average precision of a reference patch's own patches among those of other sequences, ranked by "
        "distance; mean over queries.",
    ),
}
# fmt: on


def values_of(measured: MeasuredPatches) -> dict[str, float]:
    """Return every value that there is of a group."""
    values = {name: measure.of(measured) for name, measure in PATCH_MEASURES.items()}
    return {name: value for name, value in values.items() if not np.isnan(value)}
