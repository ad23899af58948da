"""Finding a place by local features: nearest neighbours in a database, RANSAC, and the ranking's average precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation.metrics import average_precision, match_errors
from superpoint_tf.evaluation.pair_protocol import estimate_homography
from superpoint_tf.features import Features

NEIGHBOURS = 10  # in the whole database, of each feature of a query
SHORTLIST = 25  # pictures whose matches are verified by RANSAC: those with the most
_BLOCK_ELEMENTS = 2**22  # distances held at once


class Database:
    """The described features of pictures, searched exactly."""

    def __init__(self, features: Sequence[Features]) -> None:
        """Take the features of each picture, all with descriptors (N, D) of one kind, or ValueError."""
        self.points = [found.keypoints for found in features]
        self._picture = np.repeat(np.arange(len(features)), [len(points) for points in self.points])
        self._place = np.concatenate([np.zeros(0, int), *(np.arange(len(points)) for points in self.points)])
        kinds = {(*descriptors_of(found).shape[1:], descriptors_of(found).dtype == np.uint8) for found in features}
        if len(kinds) > 1:
            raise ValueError(f"pictures have descriptors of several kinds, (length, bits): {sorted(kinds)}")
        self._vectors = _vectors(np.concatenate([descriptors_of(found) for found in features])) if features else None

    def neighbours(self, query: Features, count: int, without: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the pictures that hold any of the `count` nearest of each feature, and the matches (M, 2) with each.

        A match is a feature of the query and one of the picture; in a picture a feature of the query keeps the nearest
        of its neighbours there, and a feature of the picture the nearest of those that chose it, the first of equal
        ones. `without` is the number of a picture that does not take part.
        """
        rows, columns, distances = self._nearest(query, count, without)
        pictures = self._picture[columns]
        for picture in np.unique(pictures):
            own = pictures == picture
            matches = np.stack([rows[own], self._place[columns[own]]], axis=1)
            yield int(picture), _one_to_one(matches, distances[own])

    def _nearest(self, query: Features, count: int, without: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features of the query and of the database, and their squared distances, (M,) each."""
        own = _vectors(descriptors_of(query))
        allowed = np.flatnonzero(self._picture != (-1 if without is None else without))
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        if self._vectors is not None and len(own) and len(allowed):
            database = self._vectors if len(allowed) == len(self._picture) else self._vectors[allowed]
            for start, distances in _distance_blocks(own, database):
                rows, columns = _smallest(distances, count)
                found.append((rows + start, allowed[columns], distances[rows, columns]))
        if not found:
            return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
        rows, columns, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows, columns, distances


def descriptors_of(features: Features) -> np.ndarray:
    """Return the descriptors of features that have them."""
    assert features.descriptors is not None  # detectors alone are refused before
    return features.descriptors


def _vectors(descriptors: np.ndarray) -> np.ndarray:
    """Return float32 (N, D), bytes as their bits (N, 8 D)."""
    bits = descriptors.dtype == np.uint8
    return (np.unpackbits(descriptors, axis=1) if bits else descriptors).astype(np.float32)


def _distance_blocks(query: np.ndarray, database: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the squared distances of some rows of the query at a time, inf from what is not finite."""
    finite, usable = np.isfinite(database).all(axis=1), np.isfinite(query).all(axis=1)
    database, query = np.where(finite[:, None], database, 0), np.where(usable[:, None], query, 0)
    lengths = np.square(database).sum(axis=1)
    step = max(1, _BLOCK_ELEMENTS // len(database))
    for start in range(0, len(query), step):
        part = query[start : start + step]
        distances = np.square(part).sum(axis=1)[:, None] + lengths - 2 * (part @ database.T)
        distances[~usable[start : start + step]] = distances[:, ~finite] = np.inf
        yield start, distances


def _smallest(distances: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the `count` smallest numbers of each row; of equal ones the first; never inf."""
    count = min(count, distances.shape[1])
    limit = np.partition(distances, count - 1, axis=1)[:, count - 1 : count]
    below, equal = distances < limit, (distances == limit) & np.isfinite(distances)
    room = count - below.sum(axis=1, keepdims=True)
    rows, columns = np.nonzero(below | (equal & (np.cumsum(equal, axis=1) <= room)))
    return rows, columns


def _one_to_one(matches: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Keep the nearest match of each feature of the query, then of each of the picture; in the query's order."""
    for side in (0, 1):
        order = np.lexsort((matches[:, 1 - side], distances, matches[:, side]))
        first = np.append(True, np.diff(matches[order, side]) != 0)[: len(order)]
        kept = np.sort(order[first])
        matches, distances = matches[kept], distances[kept]
    return matches[np.argsort(matches[:, 0], kind="stable")]


class Answer(NamedTuple):
    """What a query said of the pictures of a database."""

    inliers: np.ndarray  # int (P,), matches that fit the homography that RANSAC found
    matches: np.ndarray  # int (P,)


def answer_query(
    database: Database,
    query: Features,
    ransac_px: float,
    without: int | None = None,
    neighbours: int = NEIGHBOURS,
    shortlist: int = SHORTLIST,
) -> Answer:
    """Count, for each picture, the query's matches and those of them within `ransac_px` of one homography.

    Pictures beyond the first `shortlist` by their matches (of equal ones the first) have no inliers, nor have those of
    fewer than four matches, which give no homography.
    """
    count = len(database.points)
    answer, found = Answer(np.zeros(count, int), np.zeros(count, int)), dict[int, np.ndarray]()
    for picture, matches in database.neighbours(query, neighbours, without):
        answer.matches[picture], found[picture] = len(matches), matches
    for picture in sorted(found, key=lambda each: -len(found[each]))[:shortlist]:
        matches, points = found[picture], database.points[picture]
        answer.inliers[picture] = count_inliers(query.keypoints[matches[:, 0]], points[matches[:, 1]], ransac_px)
    return answer


def count_inliers(points0: np.ndarray, points1: np.ndarray, ransac_px: float) -> int:
    """Return how many of the matched points (M, 2) lie within `ransac_px` of the homography that RANSAC finds."""
    homography = estimate_homography(points0, points1, ransac_px)
    if homography is None:
        return 0
    pairs = np.arange(len(points0))
    errors = match_errors(points0, points1, np.stack([pairs, pairs], axis=1), homography)
    return int((errors <= ransac_px).sum())


def ranking_scores(answer: Answer) -> np.ndarray:
    """Return the numbers (P,) that pictures are ranked by: inliers, of equal ones matches; 0: not found."""
    return answer.inliers * (answer.matches.max(initial=0) + 1) + answer.matches


def query_average_precision(answer: Answer, right: np.ndarray) -> float:
    """Return the average precision of a query whose right pictures are `right` bool (P,); NaN if there are none.

    `metrics.average_precision` of the pictures with a match at all, recall of all right ones: the area in steps, not by
    trapezoids, under a precision that does not rise; pictures of equal inliers and matches are one step.
    """
    scores = ranking_scores(answer)
    found = scores > 0
    return average_precision(scores[found], right[found], int(right.sum()))


def first_is_right(answer: Answer, right: np.ndarray) -> float:
    """Return the share of right ones among the pictures ranked first; 0 if nothing was found."""
    scores = ranking_scores(answer)
    best = (scores == scores.max(initial=0)) & (scores > 0)
    return float(right[best].mean()) if best.any() else 0.0
