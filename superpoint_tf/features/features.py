"""What an extractor finds in one image: keypoints, scores and, if it describes them, descriptors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

NO_ANGLE = -1.0  # what OpenCV's keypoints have where no orientation was found


def _described(descriptors: np.ndarray) -> str:
    if descriptors.dtype == np.uint8:
        return f"descriptors of {8 * descriptors.shape[1]} bits"
    return f"descriptors of {descriptors.shape[1]} numbers"


class Features(NamedTuple):
    """The keypoints of one image, strongest first."""

    keypoints: np.ndarray  # float32 (N, 2), xy pixels, centre of the top-left pixel is (0, 0)
    scores: np.ndarray  # float32 (N,), descending
    descriptors: np.ndarray | None = None  # (N, D) float: L2; uint8 bit strings: Hamming; None: a detector
    # As OpenCV's keypoints have them; None: the detector finds none.
    sizes: np.ndarray | None = None  # float32 (N,), diameter in px
    angles_deg: np.ndarray | None = None  # float32 (N,), from the picture's right towards its down, or NO_ANGLE

    def __repr__(self) -> str:
        described = "no descriptors" if self.descriptors is None else _described(self.descriptors)
        frames = [name for name in ("sizes", "angles_deg") if getattr(self, name) is not None]
        scores = f"scores {self.scores.min():.3g} to {self.scores.max():.3g}" if len(self.scores) else ""
        parts = [f"{len(self.keypoints)} keypoints", scores, described, " and ".join(frames)]
        return f"Features({', '.join(filter(None, parts))})"

    def draw(self, image: Any, scale: float = 1) -> np.ndarray:
        """Return the image with its keypoints drawn as dots, larger where the score is higher, uint8 RGB (H, W, 3).

        `image` is what `SuperPoint.extract` took: (H, W), (H, W, 1) or RGB (H, W, 3); uint8, uint16 or float in [0, 1].
        `scale` enlarges it first. Raises ValueError for another shape or type.
        """
        from superpoint_tf.drawing.visualization import draw_keypoints  # OpenCV is needed nowhere else here

        picture = np.asarray(image)
        if picture.dtype == np.uint16:
            picture = (picture >> 8).astype(np.uint8)
        bgr = picture[..., ::-1] if picture.ndim == 3 else picture
        return np.ascontiguousarray(draw_keypoints(bgr, self.keypoints, self.scores, scale=scale)[..., ::-1])

    def take(self, indices: np.ndarray | slice) -> Features:
        """Return the features at `indices`: an index or bool array, or a slice."""
        taken: list[Any] = [None if array is None else array[indices] for array in self]
        return Features(*taken)

    def scaled(self, keypoints: np.ndarray, factor: float) -> Features:
        """Return the features of a picture resized by `factor`, where the keypoints are `keypoints`."""
        sizes = None if self.sizes is None else (factor * self.sizes).astype(np.float32)
        return self._replace(keypoints=keypoints.astype(np.float32), sizes=sizes)
