"""Every measure of disparities in one table: how it is computed, what it means, where it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation.measures import HIGH, LOW, REPORT, TABLES, Column

LIMITS_PX = (1, 2, 3)


class MeasuredDisparities(NamedTuple):
    """What a method said of the pixels of a pair whose disparity is known, (N,) each."""

    errors: np.ndarray  # |said - true| in pixels, NaN where the method has no answer
    occluded: np.ndarray | None  # bool: hidden in the right picture; None: not known

    @classmethod
    def of(cls, found: np.ndarray, truth: np.ndarray, occluded: np.ndarray | None = None) -> MeasuredDisparities:
        """Compare disparities (H, W) with true ones, NaN in either: no answer, not known."""
        known = np.isfinite(truth)
        errors = np.abs(found[known].astype(np.float64) - truth[known])
        return cls(errors, None if occluded is None else occluded[known])


def bad_share(errors: np.ndarray, limit_px: float) -> float:
    """Return the share of the answers that are off by more than `limit_px`; NaN for none."""
    answered = errors[np.isfinite(errors)]
    return float((answered > limit_px).mean()) if len(answered) else float("nan")


def visible(measured: MeasuredDisparities) -> np.ndarray:
    """Return the errors of the points that both pictures show; none where that is not known."""
    return np.zeros(0) if measured.occluded is None else measured.errors[~measured.occluded]


@dataclass(frozen=True)
class DisparityMeasure(Column):
    """One measure: a row of DISPARITY_MEASURES and a column of tables."""

    of: Callable[[MeasuredDisparities], float] = lambda measured: float("nan")
    shown: tuple[str, ...] = (TABLES, REPORT)
    meaning: str = ""


def _bad(limit: int) -> Callable[[MeasuredDisparities], float]:
    return lambda measured: bad_share(measured.errors, limit)


def _bad_visible(limit: int) -> Callable[[MeasuredDisparities], float]:
    return lambda measured: bad_share(visible(measured), limit)


def _density(measured: MeasuredDisparities) -> float:
    return float(np.isfinite(measured.errors).mean()) if len(measured.errors) else float("nan")


def _mean_error(measured: MeasuredDisparities) -> float:
    answered = measured.errors[np.isfinite(measured.errors)]
    return float(answered.mean()) if len(answered) else float("nan")


DISPARITY_MEASURES: dict[str, DisparityMeasure] = {
    **{
        f"bad_{limit}": DisparityMeasure(
            f"bad {limit}",
            3,
            LOW,
            _bad(limit),
            meaning=""
            if limit > 1
            else "The share of the answered pixels of known disparity, hidden ones too, whose "
            "error is above 1, 2 or 3 pixels. Read it beside the density: a method may leave hard pixels out.",
        )
        for limit in LIMITS_PX
    },
    **{
        f"bad_{limit}_visible": DisparityMeasure(
            f"bad {limit} vis.",
            3,
            LOW,
            _bad_visible(limit),
            (TABLES, REPORT) if limit == 1 else (REPORT,),
            "" if limit > 1 else "The same of the pixels that both pictures show, where the folder tells them.",
        )
        for limit in LIMITS_PX
    },
    "mean_error_px": DisparityMeasure(
        "error px", 2, LOW, _mean_error, (REPORT,), "The mean error of the answered pixels."
    ),
    "density": DisparityMeasure(
        "density", 3, HIGH, _density, meaning="The share of the pixels of known disparity with an answer."
    ),
}


def values_of(measured: MeasuredDisparities) -> dict[str, float]:
    """Return every value that there is of a pair."""
    values = {name: measure.of(measured) for name, measure in DISPARITY_MEASURES.items()}
    return {name: value for name, value in values.items() if not np.isnan(value)}
