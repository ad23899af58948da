"""From heatmap to keypoints: threshold, suppression, border, top-k, subpixel refinement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.refinement import WINDOW_RADIUS_PX, refine_keypoints
from superpoint_tf.detection.suppression import suppress_keypoints


def detect_keypoints(
    heatmap: NDArray[np.floating],
    config: DetectionConfig,
    image_shape: Sequence[int] | None = None,
    window_px: int = WINDOW_RADIUS_PX,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find the keypoints of a heatmap (H, W) of probabilities.

    Drops what is below `threshold` or not above zero, suppresses neighbours, drops what is nearer than `border_px` to
    the frame, and keeps the `max_keypoints` strongest. What the border drops has suppressed its neighbours: cut before,
    it would leave the shoulders of outer peaks, a line of keypoints along the border. So does what lies on a False
    pixel of `mask` (H, W), whose pixels are those of the keypoints returned. Returns keypoints (N, 2) xy
    pixels and scores (N,), strongest first, ties by row, then column. With `subpixel` they lie between pixels
    (`refine_keypoints`, within `window_px`). Of the heatmap of a resized image give the `image_shape` (H, W)
    it had: radius, border and the keypoints returned are in its pixels.
    """
    heatmap = np.asarray(heatmap, np.float32)
    if heatmap.ndim != 2:
        raise ValueError(f"a heatmap is (H, W), found shape {heatmap.shape}; pass one image of a batch at a time")
    height, width = heatmap.shape
    factor = 1.0 if image_shape is None else math.sqrt(heatmap.size / (image_shape[0] * image_shape[1]))
    radius_px, border = round(config.nms_radius_px * factor), round(config.border_px * factor)
    candidates = heatmap >= config.threshold if config.threshold > 0 else heatmap > 0
    places = np.flatnonzero(candidates)
    rows, columns = np.divmod(places, width)
    scores = heatmap.reshape(-1)[places]
    keypoints = np.stack([columns, rows], axis=-1).astype(np.float32)
    radius_px = min(radius_px, max(height, width))
    kept = suppress_keypoints(keypoints, scores, radius_px)
    keypoints, scores = keypoints[kept], scores[kept]
    inside = ((keypoints >= border) & (keypoints < np.array([width, height]) - border)).all(axis=-1)
    if config.subpixel:
        keypoints = refine_keypoints(heatmap, keypoints, radius_px, window_px)  # whatever border and budget
    keypoints, scores = keypoints[inside], scores[inside]
    if image_shape is not None:
        keypoints = scale_keypoints(keypoints, heatmap.shape, image_shape).astype(np.float32)
    if mask is not None:
        usable = on_mask(keypoints, mask)
        keypoints, scores = keypoints[usable], scores[usable]
    return keypoints[: config.max_keypoints], scores[: config.max_keypoints]


def on_mask(keypoints: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which keypoints (N, 2) lie on a True pixel of a mask (H, W), .5 up; those beyond the frame on its edge."""
    pixels = np.floor(np.asarray(keypoints, np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
    x, y = np.clip(pixels, 0, np.array(mask.shape[::-1]) - 1).T
    usable: NDArray[np.bool_] = mask[y, x]
    return usable


def scale_keypoints(keypoints: NDArray, image_shape: Sequence[int], canvas_shape: Sequence[int]) -> NDArray[np.float64]:
    """Move keypoints (N, 2) of a picture to where they are after it was resized, by the half-pixel rule."""
    factors = np.array([canvas_shape[1] / image_shape[1], canvas_shape[0] / image_shape[0]])
    return (np.asarray(keypoints, np.float64).reshape(-1, 2) + 0.5) * factors - 0.5
