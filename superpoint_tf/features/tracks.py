"""Keypoints followed from frame to frame by mutual nearest neighbours of their descriptors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from superpoint_tf.features.features import Features
from superpoint_tf.features.matching import match_descriptors

LENGTH = 8  # frames
MAX_DISTANCE = 0.7  # of unit descriptors: a cosine of .755


class Tracks:
    """Where the keypoints of the newest frame have been in the frames before, without a gap."""

    def __init__(self, length: int = LENGTH, max_distance: float = MAX_DISTANCE) -> None:
        """Remember `length` frames; neighbours farther apart than `max_distance` (Euclidean) do not go on as one.

        Raises ValueError for a length below 1.
        """
        if length < 1:
            raise ValueError(f"length: {length} frames; give 1 or more")
        self._length, self._max_distance = length, max_distance
        self._paths: list[NDArray[np.float32]] = []
        self._descriptors: np.ndarray | None = None

    def add(self, features: Features) -> list[NDArray[np.float32]]:
        """Follow the keypoints into the next frame; return the path of each of its keypoints, oldest place first.

        A path is float32 (L, 2), xy; L is 1 for a keypoint that is new, at most the length. Raises ValueError for
        features without descriptors.
        """
        if features.descriptors is None:
            raise ValueError("a detector alone has no descriptors to follow; load weights of a joint model")
        paths = [point[None] for point in features.keypoints]
        if self._descriptors is not None:
            matches = match_descriptors(self._descriptors, features.descriptors, max_distance=self._max_distance)
            for before, now in matches:
                paths[now] = np.concatenate([self._paths[before], paths[now]])[-self._length :]
        self._paths, self._descriptors = paths, features.descriptors
        return paths
