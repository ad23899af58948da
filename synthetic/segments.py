"""Distances between line segments, and the thick strokes that are drawn along them."""

from __future__ import annotations

import numpy as np


def segment_distances(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the distances (N, N) between segments from starts (N, 2) to ends (N, 2); 0 where they cross."""
    along = ends - starts
    length2 = np.maximum(along[:, 0] ** 2 + along[:, 1] ** 2, 1e-12)
    distance2 = np.full((len(starts), len(starts)), np.inf)
    sides = []
    for points in (starts, ends):  # point i against segment j
        offset = points[:, None] - starts[None]
        fraction = np.minimum(np.maximum(np.einsum("ijk,jk->ij", offset, along) / length2, 0), 1)
        gap = offset - fraction[..., None] * along
        gap2 = gap[..., 0] ** 2 + gap[..., 1] ** 2
        distance2 = np.minimum(distance2, np.minimum(gap2, gap2.T))
        sides.append(along[:, 0] * offset[..., 1] - along[:, 1] * offset[..., 0])
    parted = sides[0] * sides[1] < 0  # the ends of segment i lie on two sides of line j
    distance2[parted & parted.T] = 0
    return np.sqrt(distance2)


def stroke(start: np.ndarray, end: np.ndarray, thickness: float) -> np.ndarray:
    """Return the rectangle (4, 2) that a line of some thickness covers; it ends at its end points."""
    along = end - start
    side = np.array([-along[1], along[0]]) * (thickness / 2 / max(float(np.hypot(*along)), 1e-9))
    return np.array([start + side, end + side, end - side, start - side])


def stroke_thickness(number: float, min_side: int) -> float:
    """Return a thickness in pixels: 1 to 2 % of the picture, and never so thick that its end is not a point."""
    return min(max((0.01 + 0.01 * number) * min_side, 1.2), 4.0)
