"""Two pictures in one plane: the second is warped onto the first, and they fade into each other where they overlap."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.geometry.warp import warp_images
from superpoint_tf.using.two_views import frame_corners

MAX_GROWTH = 8.0  # of the panorama's pixels over those of both pictures
MAX_PIXELS = 100_000_000
_STRIP_PIXELS = 4_000_000  # warped at once
_SHARPNESS = 4  # power of the distance to a picture's edge that weighs it: a narrow seam shows less double vision


class PanoramaTooLarge(ValueError):
    """A homography that stretches the second picture beyond reason; the message names the size and the remedy."""


def stitch(image0: np.ndarray, image1: np.ndarray, homography_0to1: np.ndarray) -> np.ndarray:
    """Return uint8 BGR (H, W, 3): `image0` unmoved, `image1` warped onto its plane, black where neither is.

    Images are uint8 BGR (H, W, 3); the homography keeps view 0 in front of the camera. Raises PanoramaTooLarge.
    """
    homography_1to0 = np.linalg.inv(np.asarray(homography_0to1, np.float64))
    left, top, right, bottom = _canvas(image0, image1, homography_1to0)
    onto_canvas = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]])
    layers = [(_weighted(image0), onto_canvas), (_weighted(image1), onto_canvas @ homography_1to0)]
    canvas = np.zeros((bottom - top, right - left, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // canvas.shape[1])
    for first in range(0, len(canvas), rows):
        strip = canvas[first : first + rows]
        onto_strip = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -first], [0.0, 0.0, 1.0]])
        moved = [(layer, onto_strip @ homography) for layer, homography in layers]
        strip[:] = _blend(moved, (strip.shape[0], strip.shape[1]))
    return canvas


def _canvas(image0: np.ndarray, image1: np.ndarray, homography_1to0: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the pixels of view 0 that both pictures fill."""
    corners = warp_points_numpy(frame_corners(image1.shape), homography_1to0)
    if not np.isfinite(corners).all():
        raise PanoramaTooLarge(
            "the homography sends a part of the second picture behind the camera; no plane shows both. "
            "Pictures from one spot, turned less, can be stitched"
        )
    corners = np.vstack([frame_corners(image0.shape), corners])
    low, high = np.floor(corners.min(axis=0) + 0.5), np.ceil(corners.max(axis=0) + 0.5)
    width, height = high - low
    limit = min(MAX_PIXELS, MAX_GROWTH * sum(np.prod(image.shape[:2], dtype=float) for image in (image0, image1)))
    if width * height > limit:
        raise PanoramaTooLarge(
            f"the panorama would have {width:.0f}x{height:.0f} pixels, more than {limit:.0f}: the homography stretches "
            "the second picture too far. Look at --figure; give pictures that overlap more, or smaller ones"
        )
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _weighted(image: np.ndarray) -> tf.Tensor:
    """Return float32 (1, H, W, 4): the colours times the weight of each pixel, and the weight."""
    height, width = image.shape[:2]
    across = np.minimum(np.arange(width), np.arange(width)[::-1]) + 1.0
    down = np.minimum(np.arange(height), np.arange(height)[::-1]) + 1.0
    nearness = np.minimum(across[None] / across.max(), down[:, None] / down.max())
    weight = (nearness**_SHARPNESS + 1e-6)[:, :, None].astype(np.float32)
    return tf.constant(np.concatenate([image * weight, weight], axis=-1)[None], tf.float32)


def _blend(layers: list[tuple[tf.Tensor, np.ndarray]], shape: tuple[int, int]) -> np.ndarray:
    warped = [warp_images(layer, tf.constant(matrix[None]), shape)[0] for layer, matrix in layers]
    total = tf.add_n(warped).numpy()
    weight = total[:, :, 3:]
    colours = np.divide(total[:, :, :3], weight, out=np.zeros_like(total[:, :, :3]), where=weight > 1e-9)
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)
