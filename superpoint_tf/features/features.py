"""What an extractor finds in one image: keypoints, scores and, if it describes them, descriptors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

NO_ANGLE = -1.0  # what OpenCV's keypoints have where no orientation was found


class Features(NamedTuple):
    """The keypoints of one image, strongest first."""

    keypoints: np.ndarray  # float32 (N, 2), xy pixels, centre of the top-left pixel is (0, 0)
    scores: np.ndarray  # float32 (N,), descending
    descriptors: np.ndarray | None = None  # (N, D) float: L2; uint8 bit strings: Hamming; None: a detector
    # As OpenCV's keypoints have them; None: the detector finds none.
    sizes: np.ndarray | None = None  # float32 (N,), diameter in px
    angles_deg: np.ndarray | None = None  # float32 (N,), from the picture's right towards its down, or NO_ANGLE

    def take(self, indices: np.ndarray | slice) -> Features:
        """Return the features at `indices`: an index or bool array, or a slice."""
        taken: list[Any] = [None if array is None else array[indices] for array in self]
        return Features(*taken)

    def scaled(self, keypoints: np.ndarray, factor: float) -> Features:
        """Return the features of a picture resized by `factor`, where the keypoints are `keypoints`."""
        sizes = None if self.sizes is None else (factor * self.sizes).astype(np.float32)
        return self._replace(keypoints=keypoints.astype(np.float32), sizes=sizes)
