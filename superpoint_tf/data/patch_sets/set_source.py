"""Patches of a set as training batches: sample n of a key is the same points, each seen in the same two patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.data.photometric_backends import PendingChange
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.sources import index_of_sample


class PatchSetSource:
    """Points of a set that are seen twice or more, in a new order every epoch; a sample is so many of them."""

    pending: PendingChange | None = None

    def __init__(self, patches: PointPatches, points_per_sample: int, key: int, description: str) -> None:
        self._patches, self.key, self.description = patches, key, description
        self._points, self.points_per_sample = patches.points_seen_twice(), points_per_sample
        if not len(self._points):
            raise ValueError(f"{description}: no point has two patches, of which a pair could be made")

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        """Return the number of each sample, its points (N,) and their patches uint8 (2, N, S, S)."""
        return [(number, *self._sample(number)) for number in numbers]

    def picture_name(self, number: int) -> str:
        first = number * self.points_per_sample
        return f"points {first} to {first + self.points_per_sample - 1} of {self.description}"

    @property
    def num_points(self) -> int:
        """Return how many points an epoch has."""
        return len(self._points)

    @property
    def patch_shape(self) -> tuple[int, int]:
        """Return the shape of a patch."""
        _, height, width = self._patches.patches.shape
        return height, width

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return render_points

    def _sample(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        generator = stream_generator(Stream.PATCH_VIEWS, self.key, number)
        first = number * self.points_per_sample
        rows = [index_of_sample(self.key, first + place, len(self._points)) for place in range(self.points_per_sample)]
        points = self._points[rows]
        views = [self._patches.views(point) for point in points]
        return points, np.stack([each[generator.choice(len(each), 2, replace=False)] for each in views], axis=1)


def render_points(payloads: list[Any]) -> Batch:
    """Return `numbers` int64 (B,) and row by row `patches0`, `patches1` uint8 (P, S, S) and `point` int64 (P,)."""
    patches = np.concatenate([patches for *_, patches in payloads], axis=1)
    return {
        "numbers": np.array([number for number, *_ in payloads], np.int64),
        "patches0": patches[0],
        "patches1": patches[1],
        "point": np.concatenate([points for _, points, _ in payloads]),
    }
