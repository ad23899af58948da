"""How many strong corners are found again where a crop puts them near its edge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from superpoint_tf.features import Features

DISTANCES_PX = ((0.0, 4.0), (4.0, 8.0), (8.0, 16.0))  # of a corner from the edge of the crop
NUM_STRONGEST = 100  # corners of a picture that count as strong
FOUND_PX = 3.0
_CROPS = 4  # on each side of a picture, a different part of a cell farther in each


def edge_recall(
    extract: Callable[[np.ndarray], Features],
    images: Iterable[np.ndarray],
    distances_px: Sequence[tuple[float, float]] = DISTANCES_PX,
) -> dict[tuple[float, float], tuple[float, int]]:
    """Return the share of strong corners found again, and their number, by their distance from the edge of a crop.

    `extract` finds keypoints in a grey uint8 image (H, W), strongest first, with no border of its own. The strong
    corners of a picture are its 100 strongest; a crop of it by some 40 px on every side sees some of them near its
    edge, between `low` (included) and `high` px from the outer pixels' centres. One is found if the crop has a keypoint
    within 3 px. NaN where no corner lies that near.
    """
    found = {limits: np.zeros(2, np.int64) for limits in distances_px}
    for image in images:
        strong = np.asarray(extract(image).keypoints[:NUM_STRONGEST], np.float64)
        for cut in range(_CROPS):
            left, top = 40 + 3 * cut, 40 + 5 * cut  # other places in the cells of 8 px
            crop = np.ascontiguousarray(image[top:-top, left:-left])
            _count(found, strong - (left, top), np.asarray(extract(crop).keypoints, np.float64), crop.shape)
    return {limits: (hits / total if total else float("nan"), int(total)) for limits, (hits, total) in found.items()}


def _count(
    found: dict[tuple[float, float], np.ndarray], corners: np.ndarray, keypoints: np.ndarray, shape: tuple[int, ...]
) -> None:
    """Add a crop's corners (N, 2), found and all, to the counts of their distances."""
    last = np.array([shape[1] - 1, shape[0] - 1])
    edge = np.minimum(corners, last - corners).min(axis=1) if len(corners) else np.zeros(0)
    gaps = np.linalg.norm(corners[:, None] - keypoints[None], axis=-1)
    again = gaps.min(axis=1) <= FOUND_PX if keypoints.size else np.zeros(len(corners), bool)
    for (low, high), counts in found.items():
        near = (edge >= low) & (edge < high)
        counts += (int((again & near).sum()), int(near.sum()))
