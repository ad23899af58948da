"""Mutual nearest neighbours between the descriptors of two images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_ELEMENTS = 2**21  # distances held at once: 16 MB
_RESOLUTION = 2.0**-40  # of the largest squared length; well above float64 rounding, so that equal descriptors tie


def match_descriptors(
    descriptors0: NDArray[Any],
    descriptors1: NDArray[Any],
    ratio: float | None = None,
    max_distance: float | None = None,
) -> NDArray[np.int64]:
    """Match descriptors (N, D) and (M, D) that are each other's nearest neighbours; return indices (K, 2) into them.

    Arguments and errors as in `match_with_distances`.
    """
    return match_with_distances(descriptors0, descriptors1, ratio, max_distance)[0]


def match_with_distances(
    descriptors0: NDArray[Any],
    descriptors1: NDArray[Any],
    ratio: float | None = None,
    max_distance: float | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Match descriptors (N, D) and (M, D) that are each other's nearest neighbours.

    Returns indices (K, 2) into the two sets, in the order of the first, and their distances (K,): Euclidean for
    floats of any length, Hamming in bits for uint8. Among equally near neighbours the lowest index wins. `ratio` keeps
    a match only if its distance is below `ratio` times the distance to the second nearest of view 1; `max_distance`
    only if it is not larger. A descriptor that is not finite matches nothing. Raises ValueError for differing kinds or
    lengths.
    """
    descriptors0, descriptors1 = np.asarray(descriptors0), np.asarray(descriptors1)
    if not len(descriptors0) or not len(descriptors1):
        return np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    _check_comparable(descriptors0, descriptors1)
    vectors0, vectors1 = _to_vectors(descriptors0), _to_vectors(descriptors1)
    nearest, squared, nearest_of_1 = _nearest_neighbours(vectors0, vectors1)
    # Between vectors of bits the squared Euclidean distance is the Hamming distance.
    first, second = (squared if descriptors0.dtype == np.uint8 else np.sqrt(squared)).astype(np.float32)
    rows = np.arange(len(vectors0))
    kept = np.isfinite(first) & (nearest_of_1[nearest] == rows)
    if ratio is not None:
        kept &= first < ratio * second
    if max_distance is not None:
        kept &= first <= max_distance
    return np.stack([rows[kept], nearest[kept]], axis=-1), first[kept]


def _check_comparable(descriptors0: NDArray[Any], descriptors1: NDArray[Any]) -> None:
    for view, descriptors in enumerate((descriptors0, descriptors1)):
        if descriptors.ndim != 2:
            raise ValueError(f"descriptors{view} has shape {descriptors.shape}; expected (number, dimension)")
    kinds = [("binary" if d.dtype == np.uint8 else "float", d.shape[1]) for d in (descriptors0, descriptors1)]
    if kinds[0] != kinds[1]:
        found = " with ".join(f"{kind} ones of dimension {dimension}" for kind, dimension in kinds)
        raise ValueError(f"cannot compare descriptors: {found}; use the same extractor for both images")


def _to_vectors(descriptors: NDArray[Any]) -> NDArray[np.float64]:
    """Return descriptors as float64 (N, D), bytes as their bits (N, 8 D)."""
    bits = np.unpackbits(descriptors, axis=1) if descriptors.dtype == np.uint8 else descriptors
    return bits.astype(np.float64)


def squared_distances(descriptors0: NDArray[Any], descriptors1: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared distances (N, M) by which `match_descriptors` chooses, equal ones exactly equal.

    Arguments and errors as there; inf to and from a descriptor that is not finite.
    """
    descriptors0, descriptors1 = np.asarray(descriptors0), np.asarray(descriptors1)
    result = np.zeros((len(descriptors0), len(descriptors1)))
    if result.size:
        _check_comparable(descriptors0, descriptors1)
        for rows, distances in _distance_blocks(_to_vectors(descriptors0), _to_vectors(descriptors1)):
            result[rows] = distances
    return result


def _distance_blocks(
    vectors0: NDArray[np.float64], vectors1: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield the squared distances of some rows of view 0 at a time, rounded so that equal descriptors tie."""
    finite0, finite1 = np.isfinite(vectors0).all(axis=1), np.isfinite(vectors1).all(axis=1)
    vectors0, vectors1 = np.where(finite0[:, None], vectors0, 0.0), np.where(finite1[:, None], vectors1, 0.0)
    lengths0, lengths1 = (np.einsum("nd,nd->n", v, v) for v in (vectors0, vectors1))
    quantum = max(lengths0.max(), lengths1.max(), 1e-300) * _RESOLUTION
    step = max(1, _BLOCK_ELEMENTS // len(vectors1))
    for start in range(0, len(vectors0), step):
        rows = slice(start, min(start + step, len(vectors0)))
        products = vectors0[rows] @ vectors1.T
        distances = lengths0[rows, None] + lengths1
        distances -= np.multiply(products, 2.0, out=products)  # in place: memory traffic is what takes the time here
        distances /= quantum
        np.rint(distances, out=distances)
        distances *= quantum
        np.maximum(distances, 0.0, out=distances)
        distances[~finite0[rows]] = distances[:, ~finite1] = np.inf
        yield rows, distances


def _nearest_neighbours(
    vectors0: NDArray[np.float64], vectors1: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return for view 0 the nearest (N,) and the two lowest squared distances (2, N), for view 1 the nearest (M,)."""
    count0, count1 = len(vectors0), len(vectors1)
    nearest, nearest_of_1 = np.zeros(count0, np.int64), np.zeros(count1, np.int64)
    squared, squared_of_1 = np.full((2, count0), np.inf), np.full(count1, np.inf)
    two = min(2, count1)
    for rows, distances in _distance_blocks(vectors0, vectors1):
        nearest[rows] = distances.argmin(axis=1)
        best = distances.argmin(axis=0)
        lowest = distances[best, np.arange(count1)]
        nearer = lowest < squared_of_1  # strictly: the lowest index wins a tie between blocks too
        nearest_of_1[nearer], squared_of_1[nearer] = best[nearer] + rows.start, lowest[nearer]
        squared[:two, rows] = np.partition(distances, two - 1, axis=1)[:, :two].T
    return nearest, squared, nearest_of_1
