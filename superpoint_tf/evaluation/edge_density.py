"""How dense keypoints lie at each exact distance from the frame's edge: a ring of several pixels averages a line away.

A detector has no reason to prefer a distance, but labels that a border cut away, trained on as "no keypoint", leave a
line of keypoints along it that grows with every round of adaptation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_AREA_PX = 10_000.0


@dataclass(frozen=True)
class EdgeDensity:
    """Keypoints per 10,000 px by distance from the nearest edge; the outermost row and column have distance 0."""

    distances_px: tuple[int, ...]
    densities: np.ndarray  # float64 (D,), NaN at a distance that has no pixel
    num_keypoints: np.ndarray  # int64 (D,), how many keypoints a density is of
    expected: np.ndarray  # float64 (D,), how many there would be at the density of the interior
    interior: float  # the density farther from the edge than all `distances_px`

    @property
    def ratios(self) -> np.ndarray:
        """Return densities (D,) over that of the interior."""
        ratios: np.ndarray = self.densities / self.interior
        return ratios

    def beyond(self, factor: float, min_expected: float) -> list[int]:
        """List the distances whose density is not within `factor` of the interior's, of those that could tell.

        A distance can tell if the interior's density would put `min_expected` keypoints there.
        """
        off = np.abs(np.log(np.maximum(self.ratios, 1e-9))) > np.log(factor)
        told = self.expected >= min_expected
        return [distance for distance, wrong in zip(self.distances_px, off & told, strict=True) if wrong]


def edge_density(
    keypoints_by_image: Iterable[np.ndarray],
    image_shape: tuple[int, int],
    known: Iterable[np.ndarray] | None = None,
    distances: Sequence[int] = range(4, 25),
) -> EdgeDensity:
    """Measure the density of keypoints (N, 2), one array an image of one shape (H, W), by distance from the edge.

    A keypoint belongs to the pixel that it rounds to (.5 up). With `known`, bool (H, W) an image, both pixels and
    keypoints of the others do not count. Raises ValueError if there are more images than masks, or fewer.
    """
    height, width = image_shape
    rows, columns = np.arange(height)[:, None], np.arange(width)
    to_edge = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns))
    size = max(height, width)
    areas, counts = np.zeros(size), np.zeros(size, np.int64)
    images = list(keypoints_by_image)
    masks = [np.ones(image_shape, bool)] * len(images) if known is None else list(known)
    if len(masks) != len(images):
        raise ValueError(f"{len(images)} images but {len(masks)} masks of what is known; give one each")
    for keypoints, mask in zip(images, masks, strict=True):
        pixels = np.floor(np.asarray(keypoints, np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
        x, y = pixels[((pixels >= 0) & (pixels < (width, height))).all(axis=1)].T
        areas += np.bincount(to_edge[mask], minlength=size)
        counts += np.bincount(to_edge[y, x][mask[y, x]], minlength=size)
    return _summarize(areas, counts, tuple(distances))


def _summarize(areas: np.ndarray, counts: np.ndarray, distances: tuple[int, ...]) -> EdgeDensity:
    """Turn areas and counts by distance, from 0 up, into densities."""
    inside = slice(max(distances) + 1, None)
    at = list(distances)
    with np.errstate(invalid="ignore", divide="ignore"):
        densities = counts[at] / areas[at] * _AREA_PX
        interior = float(counts[inside].sum() / areas[inside].sum() * _AREA_PX)
    return EdgeDensity(distances, densities, counts[at], areas[at] * interior / _AREA_PX, interior)
