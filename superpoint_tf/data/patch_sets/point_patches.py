"""Patches in memory with the physical points that they show: what the readers of patch sets hand to training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superpoint_tf.runtime import storage


@dataclass(frozen=True)
class PointPatches:
    """Grey patches of one side, each of a numbered physical point; rows of one point follow each other."""

    patches: np.ndarray  # uint8 (N, S, S)
    points: np.ndarray  # int64 (N,), ascending
    sources: np.ndarray  # int64 (N,), an index into `source_names`: the set or sequence of a patch
    source_names: tuple[str, ...]

    @classmethod
    def of(
        cls, patches: np.ndarray, points: np.ndarray, sources: np.ndarray, source_names: tuple[str, ...]
    ) -> PointPatches:
        """Sort patches by their points; those of one point keep their order."""
        order = np.argsort(points, kind="stable")
        return cls(patches[order], points[order].astype(np.int64), sources[order].astype(np.int64), source_names)

    def of_rows(self, rows: np.ndarray) -> PointPatches:
        """Return the patches of a mask bool (N,)."""
        return PointPatches(self.patches[rows], self.points[rows], self.sources[rows], self.source_names)

    def fingerprint(self) -> str:
        """Return the SHA-256 of what there is to see and of which point it is."""
        return storage.sha256(self.patches.tobytes() + self.points.tobytes())

    def views(self, point: int) -> np.ndarray:
        """Return all patches of a point, uint8 (K, S, S); KeyError for a point that has none."""
        first, last = np.searchsorted(self.points, [point, point + 1])
        if first == last:
            raise KeyError(point)
        return self.patches[first:last]

    def points_seen_twice(self) -> np.ndarray:
        """Return the points with two patches or more, int64 ascending: those of which pairs can be made."""
        points, counts = np.unique(self.points, return_counts=True)
        return np.asarray(points[counts > 1])
