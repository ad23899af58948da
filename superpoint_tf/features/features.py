"""What an extractor finds in one image: keypoints, scores and, if it describes them, descriptors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Features(NamedTuple):
    """The keypoints of one image, strongest first."""

    keypoints: np.ndarray  # float32 (N, 2), xy pixels, centre of the top-left pixel is (0, 0)
    scores: np.ndarray  # float32 (N,), descending
    descriptors: np.ndarray | None = None  # (N, D) float: L2; uint8 bit strings: Hamming; None: a detector

    def take(self, indices: np.ndarray | slice) -> Features:
        """Return the features at `indices`: an index or bool array, or a slice."""
        descriptors = None if self.descriptors is None else self.descriptors[indices]
        return Features(self.keypoints[indices], self.scores[indices], descriptors)
