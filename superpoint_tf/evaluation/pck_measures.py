"""Every measure of dense correspondence in one table: a new one is a row here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.evaluation.measures import HIGH, LOW, TABLES, Column
from superpoint_tf.evaluation.pck_metrics import percentage_of_correct_keypoints


@dataclass(frozen=True)
class PckMeasure(Column):
    """One measure of a pair: from errors in pixels (N,) and the longer side of the picture."""

    of: Callable[[np.ndarray, int], float] = lambda errors, side: float("nan")
    meaning: str = ""
    shown: tuple[str, ...] = (TABLES,)


def _within(threshold_px: float) -> Callable[[np.ndarray, int], float]:
    return lambda errors, side: percentage_of_correct_keypoints(errors, threshold_px)


def _within_share(alpha: float) -> Callable[[np.ndarray, int], float]:
    return lambda errors, side: percentage_of_correct_keypoints(errors, alpha * side)


_PIXELS = (
    "The share of points whose nearest descriptor of the whole other map lies within so many pixels of their true "
    "place (Choy et al. 2016, section 5.1); mean over pairs."
)
_SHARES = "The same within so large a part of the picture's longer side (section 5.2)."
PCK_MEASURES: dict[str, PckMeasure] = {
    "pck_5px": PckMeasure("PCK@5", 3, HIGH, _within(5.0), _PIXELS),
    "pck_10px": PckMeasure("PCK@10", 3, HIGH, _within(10.0), _PIXELS),
    "pck_alpha_05": PckMeasure("a=.05", 3, HIGH, _within_share(0.05), _SHARES),
    "pck_alpha_10": PckMeasure("a=.1", 3, HIGH, _within_share(0.1), _SHARES),
    "pck_alpha_15": PckMeasure("a=.15", 3, HIGH, _within_share(0.15), _SHARES),
    "median_error_px": PckMeasure(
        "median px", 1, LOW, lambda errors, side: float(np.median(errors)), "The median error of a pair; its mean."
    ),
}
ERROR_OF_10PX = "pck_10px_error"  # the standard error of the mean over pairs


def values_of(found: np.ndarray, points1: np.ndarray, image_shape: Sequence[int]) -> dict[str, float]:
    """Return every measure of places found (N, 2), N at least 1, that belong at points1 (N, 2)."""
    errors = np.linalg.norm(found - points1, axis=1)
    return {name: measure.of(errors, max(image_shape)) for name, measure in PCK_MEASURES.items()}
