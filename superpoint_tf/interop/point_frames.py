"""The pixels that points of others are in: the file's own, or those of a picture scaled before points were found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.labels.label_votes import votes_before_format_2
from superpoint_tf.geometry.numpy_reference import resize_crop_homography, warp_points_numpy

ORIGINAL, COVER, STRETCH = "original", "cover", "stretch"
_SLACK_PX = 1.0  # beyond the centres of the outer pixels: some count from their corners


@dataclass(frozen=True)
class PointFrame:
    """How a picture was scaled before points were found in it, `image_shape` (height, width).

    COVER: scaled until it covers the shape, its centre cut out; STRETCH: each side by itself; ORIGINAL: not at all.
    """

    how: str = ORIGINAL
    image_shape: tuple[int, int] = (0, 0)

    def shape(self, file_shape: tuple[int, int]) -> tuple[int, int]:
        """Return (height, width) of the frame of a file of that shape."""
        return file_shape if self.how == ORIGINAL else self.image_shape

    def to_file(self, points: np.ndarray, file_shape: tuple[int, int]) -> np.ndarray:
        """Map points xy (N, 2) of the frame to pixels of the file."""
        return warp_points_numpy(points, np.linalg.inv(self._from_file(file_shape)))

    def _from_file(self, file_shape: tuple[int, int]) -> np.ndarray:
        if self.how == COVER:
            return resize_crop_homography(file_shape, self.image_shape)
        y, x = (new / old for new, old in zip(self.shape(file_shape), file_shape, strict=True))
        return np.array([[x, 0.0, 0.5 * x - 0.5], [0.0, y, 0.5 * y - 0.5], [0.0, 0.0, 1.0]])

    def misfit(self, points: np.ndarray, file_shape: tuple[int, int]) -> str:
        """Say what is wrong with points xy (N, 2) that lie outside the frame, and the likely reason; empty if none."""
        height, width = self.shape(file_shape)
        outside = _outside(points, (height, width))
        if not outside.any():
            return ""
        worst = points[outside][np.abs(points[outside]).max(axis=1).argmax()]
        exchanged = not _outside(points[:, ::-1], (height, width)).any()
        likely = (
            "with x and y exchanged all fit: pass --order yx, or xy if that was given"
            if exchanged
            else "they are of another picture, or found in pictures of another size: pass --scaled, for example "
            "cover:240x320 (the TF1 pipeline) or stretch:240x320 (the PyTorch one)"
        )
        return (
            f"{outside.sum()} of {len(points)} points lie outside the picture of {width}x{height} px, the farthest at "
            f"x {worst[0]:g}, y {worst[1]:g}; {likely}"
        )

    def known(
        self, image_to_label: np.ndarray, file_shape: tuple[int, int], label_shape: tuple[int, int]
    ) -> np.ndarray:
        """Return votes uint16 (H, W) of a frame of labels: 1 where the points' own frame saw it, off its edge."""
        ys, xs = np.mgrid[: label_shape[0], : label_shape[1]]
        to_frame = self._from_file(file_shape) @ np.linalg.inv(image_to_label)
        seen = np.rint(warp_points_numpy(np.column_stack([xs.ravel(), ys.ravel()]), to_frame)).astype(int)
        height, width = self.shape(file_shape)
        inside = ((seen >= 0) & (seen < (width, height))).all(axis=1)
        x, y = seen.clip(0, (width - 1, height - 1)).T
        votes: np.ndarray = (votes_before_format_2((height, width))[y, x] * inside).reshape(label_shape)
        return votes.astype(np.uint16)


def _outside(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    limit = np.array(shape[::-1]) - 1 + _SLACK_PX
    outside: np.ndarray = ((points < -_SLACK_PX) | (points > limit)).any(axis=1)
    return outside
