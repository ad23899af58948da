"""Exactness: the same picture moved by a few pixels and by halves, nothing else changed, and where its keypoints went.

A photograph is brought to twice the frame and a margin, both views are cut from it, and each 2x2 pixels are averaged.
So no border is made up, views that differ by whole pixels share their grey levels to the bit, and halves are whole
pixels of the larger picture: nothing is interpolated for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.reading import PhotographError, cover_and_crop, read_photograph
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.features import Features
from superpoint_tf.geometry.numpy_reference import warp_points_numpy

SHIFTS_PX = (0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 4.5, 5.0, 6.0, 6.5, 7.0, 8.0)
DIRECTIONS_XY = {"right": (1, 0), "down": (0, 1)}
PARTNERS_PX = 3.0  # keypoints farther apart are no partners
REPEATS_PX = 1.0
# What the weights that ship are to reach at 4 px, half a cell of the network: the mean distance of partners at most,
# and the share that repeats within 1 px at least.
MARK_LOCALIZATION_PX, MARK_WITHIN_1PX = 0.3, 0.85
# Nearer to a frame's edge a keypoint may be cut off, or be suppressed by one that the other view does not show.
_EDGE_PX = 8
_FINER = 2
_MARGIN_PX = int(max(SHIFTS_PX))


def group_name(shift_px: float) -> str:
    """Return the name of the pairs of one shift."""
    return f"{shift_px:g} px"


def shifted_view(photograph: np.ndarray, image_shape: tuple[int, int], xy: tuple[float, float]) -> np.ndarray:
    """Return the frame, grey uint8 (H, W), of a photograph whose content is moved right and down by `xy` pixels.

    Halves of a pixel are possible, from 0 to 8. Smaller photographs are enlarged first.
    """
    height, width = image_shape
    larger, _ = cover_and_crop(photograph, (_FINER * (height + _MARGIN_PX), _FINER * (width + _MARGIN_PX)))
    left, top = (round(_FINER * (_MARGIN_PX - distance)) for distance in xy)
    cut = larger[top : top + _FINER * height, left : left + _FINER * width]
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA))  # the mean of 2x2 pixels


def shifted_pairs(
    photographs: Sequence[str | Path],
    image_shape: tuple[int, int],
    shifts_px: Sequence[float] = SHIFTS_PX,
    left_out: list[str] | None = None,
    stretch: str = NO_STRETCH,
) -> Iterator[ImagePair]:
    """Yield each photograph at rest with each of its shifts to the right and down, a group a shift.

    What cannot be read is named in `left_out`; `stretch` is that of `read_photograph`.
    """
    for number, path in enumerate(photographs):
        try:
            photograph = read_photograph(path, stretch)
        except PhotographError as error:
            if left_out is not None:
                left_out.append(str(error))
            continue
        name = f"{number:04d} {Path(path).name}"
        still = View(f"{number:04d}/still", shifted_view(photograph, image_shape, (0, 0)))
        for shift in shifts_px:
            for direction, (right, down) in DIRECTIONS_XY.items():
                x, y = shift * right, shift * down
                moved = View(f"{number:04d}/{direction}_{shift:g}", shifted_view(photograph, image_shape, (x, y)))
                homography = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
                yield ImagePair(f"{name} {direction}", group_name(shift), still, moved, homography)


def measure_shift(
    features0: Features, features1: Features, homography_0to1: np.ndarray, protocol: PairProtocol
) -> dict[str, float]:
    """Return localization_px, within_1px and shared_keypoints of a pair; features come strongest first.

    Of the keypoints that both frames show away from their edges the strongest `max_keypoints` of each view are taken.
    Partners are mutually nearest and within 3 px: localization_px is their mean distance (NaN without any), within_1px
    the share of both views' keypoints that have one within 1 px (0 without any).
    """
    points0 = _away_from_edges(features0.keypoints, homography_0to1, protocol)
    points1 = _away_from_edges(features1.keypoints, np.linalg.inv(homography_0to1), protocol)
    distances = mutual_distances(warp_points_numpy(points0, homography_0to1), points1)
    partners = distances[distances <= PARTNERS_PX]
    both = len(points0) + len(points1)
    return {
        "localization_px": float(partners.mean()) if len(partners) else float("nan"),
        "within_1px": float(2 * (distances <= REPEATS_PX).sum() / both) if both else 0.0,
        "shared_keypoints": both / 2,
    }


def mutual_distances(points0: np.ndarray, points1: np.ndarray) -> np.ndarray:
    """Return the distances of the points (N, 2) and (M, 2) that are each other's nearest."""
    if not len(points0) or not len(points1):
        return np.zeros(0)
    distances = metrics.pairwise_distances(points0, points1)
    nearest1, nearest0 = distances.argmin(axis=1), distances.argmin(axis=0)
    mutual = np.flatnonzero(nearest0[nearest1] == np.arange(len(points0)))
    found: np.ndarray = distances[mutual, nearest1[mutual]]
    return found


def _away_from_edges(keypoints: np.ndarray, homography: np.ndarray, protocol: PairProtocol) -> np.ndarray:
    height, width = protocol.image_shape
    last = np.array([width - 1, height - 1]) - _EDGE_PX
    there = warp_points_numpy(keypoints, homography)
    inside = [((points >= _EDGE_PX) & (points <= last)).all(axis=-1) for points in (np.asarray(keypoints), there)]
    return np.asarray(keypoints, np.float64)[inside[0] & inside[1]][: protocol.max_keypoints]
