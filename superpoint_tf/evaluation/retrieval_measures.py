"""Every measure of retrieval in one table, as `measures.MEASURES` is of pairs of images: a new one is a row here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation.measures import HIGH, REPORT, TABLES, Column


class MeasuredQuery(NamedTuple):
    """What one query found."""

    place: str
    query: str  # name of its picture
    average_precision: float
    first_is_right: float
    features: int  # of the query
    inliers_right: float  # mean of the pictures of its place
    inliers_wrong: float  # the most of any other


@dataclass(frozen=True)
class RetrievalMeasure(Column):
    """One measure: a row of RETRIEVAL_MEASURES and a column of tables."""

    of: Callable[[Sequence[MeasuredQuery]], float] = lambda queries: math.nan
    shown: tuple[str, ...] = (TABLES, REPORT)
    meaning: str = ""


def mean_average_precision(queries: Sequence[MeasuredQuery]) -> float:
    """Return the mean over places of the mean over their queries; NaN without any."""
    means = _by_place(queries)
    return float(means.mean()) if len(means) else math.nan


def standard_error(queries: Sequence[MeasuredQuery]) -> float:
    """Return the standard error of `mean_average_precision` over places; NaN for fewer than two."""
    means = _by_place(queries)
    return float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else math.nan


def gain(before: Sequence[MeasuredQuery], after: Sequence[MeasuredQuery]) -> tuple[float, float]:
    """Return what the second gains over the first, place by place, and its standard error; queries are the same."""
    differences = _by_place(after) - _by_place(before)
    if len(differences) < 2:
        return (float(differences.mean()) if len(differences) else math.nan), math.nan
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(differences)))


def _by_place(queries: Sequence[MeasuredQuery]) -> np.ndarray:
    found: dict[str, list[float]] = {}
    for query in queries:
        found.setdefault(query.place, []).append(query.average_precision)
    return np.array([np.mean(values) for values in found.values()])


def _mean(name: str) -> Callable[[Sequence[MeasuredQuery]], float]:
    return lambda queries: float(np.mean([getattr(query, name) for query in queries])) if queries else math.nan


# fmt: off
RETRIEVAL_MEASURES: dict[str, RetrievalMeasure] = {
    "map": RetrievalMeasure(
        "mAP", 3, HIGH, mean_average_precision,
        meaning="Of each feature of a query the ten nearest in the whole database are its matches; of the 25 pictures "
        "with the most of them RANSAC counts the inliers. Pictures are ranked by inliers, of equal ones by matches; "
        "those without a match are not found. Average precision is the area, in steps and not by trapezoids, under "
        "precision that does not rise, over recall of all pictures of the query's place; pictures that nothing orders "
        "are one step. Mean over places.",
    ),
    "map_error": RetrievalMeasure("± ", 3, "", standard_error, meaning="The standard error of mAP over places."),
    "first": RetrievalMeasure(
        "first", 3, HIGH, _mean("first_is_right"),
        meaning="The share of queries whose first picture is of their place.",
    ),
    "inliers_right": RetrievalMeasure(
        "inl. right", 1, "", _mean("inliers_right"),
        meaning="Matches that fit the homography of RANSAC, mean of the pictures of the query's place.",
    ),
    "inliers_wrong": RetrievalMeasure(
        "inl. wrong", 1, "", _mean("inliers_wrong"),
        meaning="The most that any other picture has, mean over queries.",
    ),
    "features": RetrievalMeasure(
        "features", 0, "", _mean("features"), meaning="Features of a query, within the budget; mean over queries."
    ),
}
# fmt: on


def values_of(queries: Sequence[MeasuredQuery]) -> dict[str, float]:
    """Return every value that there is."""
    values = {name: measure.of(queries) for name, measure in RETRIEVAL_MEASURES.items()}
    return {name: value for name, value in values.items() if not math.isnan(value)}
