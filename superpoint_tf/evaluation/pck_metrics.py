"""Dense correspondence: where a map of descriptors puts the points of another picture, and how often it is right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from superpoint_tf.features.matching import squared_distances


class DescriptorMap(NamedTuple):
    """Descriptors of a picture on a grid: that of row i and column j is of the place offset + stride (j, i)."""

    descriptors: np.ndarray  # float32 (h, w, D), all of one length, or none is nearer for its length alone
    stride_px: float
    offset_px: float

    @property
    def places(self) -> np.ndarray:
        """Return xy float64 (h w, 2) of all descriptors, row by row."""
        height, width = self.descriptors.shape[:2]
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        places: np.ndarray = self.offset_px + self.stride_px * grid.reshape(-1, 2).astype(np.float64)
        return places

    def read(self, points: np.ndarray) -> np.ndarray:
        """Return the descriptors float32 (N, D) at points xy (N, 2), bilinearly; beyond the grid those of its edge."""
        height, width = self.descriptors.shape[:2]
        last = np.array([width - 1, height - 1], np.float64)
        places = np.clip((np.asarray(points, np.float64).reshape(-1, 2) - self.offset_px) / self.stride_px, 0, last)
        low = np.minimum(np.floor(places), np.maximum(last - 1, 0))
        x, y = (places - low).astype(np.float32).T[:, :, None]
        x0, y0 = low.astype(np.int64).T
        x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
        top = (1 - x) * self.descriptors[y0, x0] + x * self.descriptors[y0, x1]
        bottom = (1 - x) * self.descriptors[y1, x0] + x * self.descriptors[y1, x1]
        found: np.ndarray = ((1 - y) * top + y * bottom).astype(np.float32)
        return found


def nearest_places(map0: DescriptorMap, map1: DescriptorMap, points0: np.ndarray) -> np.ndarray:
    """Return where points xy (N, 2) of picture 0 are put in picture 1: the nearest of all its descriptors, (N, 2)."""
    queries = map0.read(points0)
    if not len(queries):
        return np.zeros((0, 2))
    candidates = map1.descriptors.reshape(-1, map1.descriptors.shape[-1])
    nearest = squared_distances(queries, candidates).argmin(axis=1)
    found: np.ndarray = map1.places[nearest]
    return found


def percentage_of_correct_keypoints(errors_px: np.ndarray, threshold_px: float) -> float:
    """Return PCK, the share of points (N,) within `threshold_px` of their true place; NaN of no points."""
    return float((errors_px <= threshold_px).mean()) if len(errors_px) else float("nan")
