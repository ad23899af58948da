"""The one non-maximum suppression; `suppression_in_graph` is the same as TensorFlow operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
    order = _order(x, y, scores[present])
    kept = _suppress_on_grid(x[order], y[order], int(radius_px), max_keypoints or len(order))
    return present[order[kept]]


def _order(x: NDArray[np.int64], y: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices by score, highest first, ties by row, then column, then index."""
    if (np.diff(y * (x.max() + 1) + x) >= 0).all():  # row by row already, as candidates of a heatmap are: half the time
        return np.argsort(-scores, kind="stable")
    return np.lexsort((x, y, -scores))


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
