"""From heatmap to keypoints: threshold, the one non-maximum suppression, border, top-k, subpixel refinement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.refinement import WINDOW_RADIUS_PX, refine_keypoints


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
    rows, columns = np.nonzero((heatmap >= config.threshold) & (heatmap > 0) & np.isfinite(heatmap))
    scores = heatmap[rows, columns]
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


def suppress_keypoints(
    keypoints: NDArray[np.floating],
    scores: NDArray[np.floating],
    radius_px: int,
    max_keypoints: int | None = None,
) -> NDArray[np.int64]:
    """Return the indices of the keypoints that non-maximum suppression keeps, strongest first.

    keypoints (N, 2) xy pixels, scores (N,). Greedy: the highest score first, ties by row, then column, then index; a
    kept keypoint removes all others with max(|dx|, |dy|) <= radius_px on coordinates rounded to the nearest pixel
    (.5 up). Stops after `max_keypoints`: 0 keeps none, None sets no limit. A keypoint or score that is NaN or infinite
    is never kept. Scores may be of any numeric type. Raises ValueError for unequal numbers or a negative limit.
    """
    keypoints = np.asarray(keypoints, np.float64).reshape(-1, 2)
    scores = np.asarray(scores).reshape(-1).astype(np.float64)  # the negative of an unsigned integer wraps around
    if len(keypoints) != len(scores):
        raise ValueError(f"{len(keypoints)} keypoints but {len(scores)} scores; give one score a keypoint")
    if max_keypoints is not None and max_keypoints < 0:
        raise ValueError(f"max_keypoints: {max_keypoints}; give a number from 0 up, or None for no limit")
    present = np.flatnonzero(np.isfinite(keypoints).all(axis=-1) & np.isfinite(scores))
    if not len(present) or max_keypoints == 0:
        return np.zeros(0, np.int64)
    pixels = np.floor(keypoints[present] + 0.5).astype(np.int64)
    x, y = (pixels - pixels.min(axis=0)).T
    order = np.lexsort((x, y, -scores[present]))
    kept = _suppress_on_grid(x[order], y[order], int(radius_px), max_keypoints or len(order))
    return present[order[kept]]


def _suppress_on_grid(x: NDArray[np.int64], y: NDArray[np.int64], radius: int, limit: int) -> list[int]:
    """Walk over the sorted pixels and blank the square around each that is still free; xy start at 0."""
    # A frame of `radius` on every side: no square needs clipping. A bytearray reads one cell faster than NumPy does.
    columns = int(x.max()) + 1 + 2 * radius
    cells = bytearray((int(y.max()) + 1 + 2 * radius) * columns)
    grid = np.frombuffer(cells, np.uint8).reshape(-1, columns)
    side = 2 * radius + 1
    kept: list[int] = []
    centres = ((y + radius) * columns + x + radius).tolist()
    for index, centre in enumerate(centres):
        if cells[centre]:
            continue
        kept.append(index)
        if len(kept) == limit:
            break
        row, column = divmod(centre, columns)
        grid[row - radius : row - radius + side, column - radius : column - radius + side] = 1
    return kept


def scale_keypoints(keypoints: NDArray, image_shape: Sequence[int], canvas_shape: Sequence[int]) -> NDArray[np.float64]:
    """Move keypoints (N, 2) of a picture to where they are after it was resized, by the half-pixel rule."""
    factors = np.array([canvas_shape[1] / image_shape[1], canvas_shape[0] / image_shape[0]])
    return (np.asarray(keypoints, np.float64).reshape(-1, 2) + 0.5) * factors - 0.5
