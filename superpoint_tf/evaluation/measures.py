"""What is measured on one pair of images, given the features of both: every value of every table, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from superpoint_tf.evaluation import metrics
from superpoint_tf.features import Features
from superpoint_tf.features.matching import match_descriptors

HOMOGRAPHY_THRESHOLDS_PX = (1, 3, 5)


@dataclass(frozen=True)
class PairProtocol:
    """What a number over image pairs depends on besides the method."""

    image_shape: tuple[int, int]  # (height, width)
    max_keypoints: int
    nms_radius_px: int
    distance_px: float = 3.0  # a keypoint's partner, or a match, is right within this
    ransac_px: float = 3.0

    def __str__(self) -> str:
        height, width = self.image_shape
        return f"{height}x{width}, {self.max_keypoints} keypoints, NMS {self.nms_radius_px} px"


DETECTOR_PROTOCOL = PairProtocol((240, 320), max_keypoints=300, nms_radius_px=4)
MATCHING_PROTOCOL = PairProtocol((480, 640), max_keypoints=1000, nms_radius_px=8)
PRESETS = {"240x320": DETECTOR_PROTOCOL, "480x640": MATCHING_PROTOCOL}
"""The paper's two settings: repeatability at the first, descriptors and homographies at the second."""


@dataclass(frozen=True)
class PairResult:
    """The values of one method on one pair: keypoints (mean of both views) and those that the measures return."""

    method: str
    pair: str
    group: str
    values: dict[str, float]
    sequence: str = ""


def measure_pair(
    features0: Features,
    features1: Features,
    homography_0to1: np.ndarray,
    protocol: PairProtocol,
    detector: bool = True,
    matching: bool = True,
) -> dict[str, float]:
    """Return the values of a pair: keypoints, those of `measure_detector`, and with descriptors `measure_matching`'s.

    Features are suppressed, strongest first and before any budget. Descriptors are needed for the strongest
    `protocol.max_keypoints` alone, so there may be fewer of them than keypoints.
    """
    counts = [min(len(features.keypoints), protocol.max_keypoints) for features in (features0, features1)]
    values = {"keypoints": sum(counts) / 2}
    if detector:
        values |= measure_detector(features0.keypoints, features1.keypoints, homography_0to1, protocol)
    described = [features.descriptors is not None for features in (features0, features1)]
    if described[0] != described[1]:
        raise ValueError("only one of the two views has descriptors; return (0, D) ones where nothing was found")
    if matching and described[0]:
        values |= measure_matching(features0, features1, homography_0to1, protocol)
    return values


def measure_detector(
    keypoints0: np.ndarray, keypoints1: np.ndarray, homography_0to1: np.ndarray, protocol: PairProtocol
) -> dict[str, float]:
    """Return repeatability, repeatability_1 .. _10, localization_px (NaN without partners) and shared_keypoints.

    shared_keypoints is the mean number that took part: in the shared area, within the budget.
    """
    distances0, distances1 = metrics.partner_distances(
        keypoints0, keypoints1, homography_0to1, protocol.image_shape, protocol.max_keypoints
    )
    return {
        "repeatability": metrics.repeatability(distances0, distances1, protocol.distance_px),
        **{f"repeatability_{t}": metrics.repeatability(distances0, distances1, t) for t in metrics.MMA_THRESHOLDS_PX},
        "localization_px": metrics.localization_error(distances0, distances1, protocol.distance_px),
        "shared_keypoints": (len(distances0) + len(distances1)) / 2,
    }


def measure_matching(
    features0: Features, features1: Features, homography_0to1: np.ndarray, protocol: PairProtocol
) -> dict[str, float]:
    """Return matching_score, nn_map, mma_1 .. mma_10, corner_error_px (inf: no homography) and matches."""
    (points0, descriptors0), (points1, descriptors1) = (
        _described(features, protocol.max_keypoints) for features in (features0, features1)
    )
    homography, shape, distance_px = homography_0to1, protocol.image_shape, protocol.distance_px
    matches = match_descriptors(descriptors0, descriptors1)
    errors = metrics.match_errors(points0, points1, matches, homography)
    accuracy = zip(metrics.MMA_THRESHOLDS_PX, metrics.mean_matching_accuracy(errors), strict=True)
    estimated = estimate_homography(points0[matches[:, 0]], points1[matches[:, 1]], protocol.ransac_px)
    return {
        "matching_score": metrics.matching_score(points0, points1, matches, homography, shape, distance_px),
        "nn_map": metrics.nearest_neighbour_map(
            points0, points1, descriptors0, descriptors1, homography, shape, distance_px
        ),
        **{f"mma_{threshold}": float(value) for threshold, value in accuracy},
        "corner_error_px": metrics.homography_error(estimated, homography, shape),
        "matches": float(len(matches)),
    }


def _described(features: Features, max_keypoints: int) -> tuple[np.ndarray, np.ndarray]:
    descriptors = features.descriptors
    assert descriptors is not None  # the caller asked only methods that describe
    count = min(len(features.keypoints), max_keypoints)
    if len(descriptors) < count:
        raise ValueError(f"{len(descriptors)} descriptors for the strongest {count} keypoints; pass one each")
    return features.keypoints[:count], descriptors[:count]


def estimate_homography(points0: np.ndarray, points1: np.ndarray, ransac_px: float = 3.0) -> np.ndarray | None:
    """Return the homography (3, 3) of matched points (M, 2) by RANSAC, or None if there is no model.

    OpenCV's RANSAC seeds a generator of its own in every call, so equal points give equal bits whatever else ran.
    """
    if len(points0) < 4:
        return None
    estimated, _ = cv2.findHomography(points0, points1, cv2.RANSAC, ransac_px)
    return None if estimated is None else np.asarray(estimated, np.float64)


def summarize(results: Sequence[PairResult], by_sequence: bool = False) -> list[dict[str, float | str]]:
    """Average results over the pairs of each (group, method), in order of first appearance.

    Adds pairs, and from the corner errors h_1, h_3, h_5 (homography accuracy) and auc_1, auc_3, auc_5. Values are means
    over all pairs of the group, localization_px over those with partners (NaN if none has). `by_sequence` averages the
    pairs of each sequence alone and adds its name. Raises ValueError if results of one row have different values.
    """
    groups: dict[tuple[str, str, str], list[PairResult]] = {}
    for result in results:
        key = (result.group, result.sequence if by_sequence else "", result.method)
        groups.setdefault(key, []).append(result)
    rows = []
    for (group, sequence, method), members in groups.items():
        row: dict[str, float | str] = {"group": group, "method": method, "pairs": len(members)}
        if by_sequence:
            row["sequence"] = sequence
        for member in members:
            if member.values.keys() != members[0].values.keys():
                raise ValueError(f"{method}: {member.pair} has other values than {members[0].pair}")
        for name in members[0].values:
            row |= _average(name, np.array([member.values[name] for member in members]))
        rows.append(row)
    return rows


def _average(name: str, values: np.ndarray) -> dict[str, float]:
    if name == "corner_error_px":  # a failure is inf: only its rank has a mean
        accuracy = {f"h_{t}": metrics.homography_accuracy(values, t) for t in HOMOGRAPHY_THRESHOLDS_PX}
        return accuracy | {f"auc_{t}": metrics.homography_auc(values, t) for t in HOMOGRAPHY_THRESHOLDS_PX}
    if name == "localization_px":
        values = values[~np.isnan(values)]
    return {name: float(values.mean()) if len(values) else float("nan")}
