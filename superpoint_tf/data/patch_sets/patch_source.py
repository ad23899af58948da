"""Training batches from a set of patches: sample number n is one point with two of its patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.sources import index_of_sample


class PatchSource:
    """The points with two patches or more, in another order each epoch; a pure function of key and number."""

    def __init__(self, patches: PointPatches, key: int) -> None:
        """Raise ValueError if no point has two patches."""
        self._patches, self._key = patches, key
        self._points = patches.points_seen_twice()
        if not len(self._points):
            names = ", ".join(patches.source_names)
            raise ValueError(f"{names}: no point has two patches, so there is nothing to train on")

    def __len__(self) -> int:
        """Return the number of points, the samples of an epoch."""
        return len(self._points)

    def batch(self, numbers: Sequence[int]) -> Batch:
        """Return samples by their numbers as a batch of patches; see `batches.patch_batch` for its arrays.

        A point that comes a second time, where a batch reaches into the next epoch, is not valid. Each point is a
        picture of its own, so that all others are its negatives, as training on Brown's sets has it.
        """
        points = np.array([self._points[index_of_sample(self._key, n, len(self))] for n in numbers], np.int64)
        pairs = [self._two_views(point, number) for point, number in zip(points, numbers, strict=True)]
        valid = np.zeros(len(points), bool)
        valid[np.unique(points, return_index=True)[1]] = True
        first, second = (np.stack([pair[view] for pair in pairs])[..., np.newaxis] for view in (0, 1))
        return {
            "numbers": np.array(numbers, np.int64),
            "patches0": first.astype(np.float32) / 255,
            "patches1": second.astype(np.float32) / 255,
            "point": np.where(valid, points, -1),
            "picture": points,
            "position": np.zeros((len(points), 2), np.float32),
            "valid": valid,
        }

    def _two_views(self, point: int, number: int) -> np.ndarray:
        views = self._patches.views(point)
        generator = stream_generator(Stream.PATCH_VIEWS, self._key, number)
        return np.asarray(views[generator.choice(len(views), 2, replace=False)])
