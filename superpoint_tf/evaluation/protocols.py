"""How methods are run over image pairs and synthetic shapes: the same budget, the same suppression, one row a pair."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.pairs import HPatchesSequence, ImagePair, hpatches_pairs
from superpoint_tf.features import Features
from superpoint_tf.keypoints import suppress_keypoints
from superpoint_tf.matching import match_descriptors

Extractor = Callable[[np.ndarray, int], Features]
"""From a grey uint8 image (H, W) and an NMS radius in pixels to all features, suppressed, strongest first.

`suppressed` makes one of a function of the image alone; a model does it by itself:
`lambda image, nms_radius_px: model.extract(image, nms_radius_px=nms_radius_px)`. The protocol takes the strongest.
"""

HOMOGRAPHY_THRESHOLDS_PX = (1, 3, 5)


@dataclass(frozen=True)
class PairProtocol:
    """What a number over image pairs depends on besides the method."""

    image_shape: tuple[int, int]  # (height, width)
    max_keypoints: int
    nms_radius_px: int
    distance_px: float = 3.0  # a keypoint's partner, or a match, is right within this
    ransac_px: float = 3.0


DETECTOR_PROTOCOL = PairProtocol((240, 320), max_keypoints=300, nms_radius_px=4)
MATCHING_PROTOCOL = PairProtocol((480, 640), max_keypoints=1000, nms_radius_px=8)


@dataclass(frozen=True)
class PairResult:
    """The values of one method on one pair: keypoints (mean of both views) and those that the measures return."""

    method: str
    pair: str
    group: str
    values: dict[str, float]


def suppressed(detect: Callable[[np.ndarray], Features]) -> Extractor:
    """Give a function of the image alone the same non-maximum suppression as every other method."""

    def extract(image: np.ndarray, nms_radius_px: int) -> Features:
        features = detect(image)
        return features.take(suppress_keypoints(features.keypoints, features.scores, nms_radius_px))

    return extract


def evaluate_pairs(
    pairs: Iterable[ImagePair],
    methods: Mapping[str, Extractor],
    protocol: PairProtocol,
    detector: bool = True,
    matching: bool = True,
    on_pair: Callable[[], None] = lambda: None,
) -> list[PairResult]:
    """Run every method on every pair and return one result each, in the order of the pairs.

    `detector` and `matching` choose the values; a method without descriptors has no matching values. `on_pair` is
    called after each pair. A first image shared by consecutive pairs is extracted once.
    """
    results = []
    previous: np.ndarray | None = None
    features0: dict[str, Features] = {}
    for pair in pairs:
        if previous is not pair.image0:
            features0 = {name: extract(pair.image0, protocol.nms_radius_px) for name, extract in methods.items()}
            previous = pair.image0
        for name, extract in methods.items():
            features1 = extract(pair.image1, protocol.nms_radius_px)
            budget = protocol.max_keypoints
            counts = [min(len(features.keypoints), budget) for features in (features0[name], features1)]
            values = {"keypoints": sum(counts) / 2}
            if detector:
                values |= measure_detector(features0[name], features1, pair.homography_0to1, protocol)
            if matching and features1.descriptors is not None:
                values |= measure_matching(features0[name], features1, pair.homography_0to1, protocol)
            results.append(PairResult(name, pair.name, pair.group, values))
        on_pair()
    return results


def measure_detector(
    features0: Features, features1: Features, homography_0to1: np.ndarray, protocol: PairProtocol
) -> dict[str, float]:
    """Return repeatability, localization_px (NaN without partners) and shared_keypoints of a pair.

    shared_keypoints is the mean number that took part: in the shared area, within the budget.
    """
    distances0, distances1 = metrics.partner_distances(
        features0.keypoints, features1.keypoints, homography_0to1, protocol.image_shape, protocol.max_keypoints
    )
    return {
        "repeatability": metrics.repeatability(distances0, distances1, protocol.distance_px),
        "localization_px": metrics.localization_error(distances0, distances1, protocol.distance_px),
        "shared_keypoints": (len(distances0) + len(distances1)) / 2,
    }


def measure_matching(
    features0: Features, features1: Features, homography_0to1: np.ndarray, protocol: PairProtocol
) -> dict[str, float]:
    """Return matching_score, nn_map, mma_1 .. mma_10, corner_error_px (inf: no homography) and matches."""
    points0, _, descriptors0 = features0.take(slice(protocol.max_keypoints))
    points1, _, descriptors1 = features1.take(slice(protocol.max_keypoints))
    assert descriptors0 is not None and descriptors1 is not None  # the caller asked only methods that describe
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


def estimate_homography(points0: np.ndarray, points1: np.ndarray, ransac_px: float = 3.0) -> np.ndarray | None:
    """Return the homography (3, 3) of matched points (M, 2) by RANSAC, or None if there is no model.

    OpenCV's RANSAC seeds a generator of its own in every call, so equal points give equal bits whatever else ran.
    """
    if len(points0) < 4:
        return None
    estimated, _ = cv2.findHomography(points0, points1, cv2.RANSAC, ransac_px)
    return None if estimated is None else np.asarray(estimated, np.float64)


def summarize(results: Sequence[PairResult]) -> list[dict[str, float | str]]:
    """Average results over the pairs of each (group, method), in order of first appearance.

    Adds pairs, and from the corner errors h_1, h_3, h_5 (homography accuracy) and auc_1, auc_3, auc_5. Values are means
    over all pairs of the group, localization_px over those with partners (NaN if none has).
    """
    groups: dict[tuple[str, str], list[PairResult]] = {}
    for result in results:
        groups.setdefault((result.group, result.method), []).append(result)
    rows = []
    for (group, method), members in groups.items():
        row: dict[str, float | str] = {"group": group, "method": method, "pairs": len(members)}
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


def evaluate_at_both_settings(
    make_pairs: Callable[[tuple[int, int]], Iterable[ImagePair]],
    methods: Mapping[str, Extractor],
    on_pair: Callable[[], None] = lambda: None,
) -> list[dict[str, float | str]]:
    """Return the rows of the HPatches table: repeatability by the detector's protocol, all else by the matching one.

    So localization_px, keypoints and shared_keypoints, too, are those of 480x640, 1000 keypoints and NMS 8 px, and
    localization_px is in pixels of that size: it does not belong to the repeatability beside it. The reference table
    of the development data is made this way. For both at 240x320 use `evaluate_pairs` with DETECTOR_PROTOCOL.

    `make_pairs` yields the same pairs for any (height, width). `on_pair` is called twice a pair, once a protocol.
    """
    at_low, at_high = (make_pairs(p.image_shape) for p in (DETECTOR_PROTOCOL, MATCHING_PROTOCOL))
    low = summarize(evaluate_pairs(at_low, methods, DETECTOR_PROTOCOL, matching=False, on_pair=on_pair))
    high = summarize(evaluate_pairs(at_high, methods, MATCHING_PROTOCOL, on_pair=on_pair))
    return [row | {"repeatability": detector["repeatability"]} for detector, row in zip(low, high, strict=True)]


def evaluate_hpatches(
    sequences: Sequence[HPatchesSequence], methods: Mapping[str, Extractor], on_pair: Callable[[], None] = lambda: None
) -> list[dict[str, float | str]]:
    """Evaluate on sequences in HPatches layout at both settings; groups are v, i and `i shifted`."""
    return evaluate_at_both_settings(functools.partial(hpatches_pairs, sequences), methods, on_pair)


def evaluate_shapes(
    samples: Iterable[tuple[np.ndarray, np.ndarray, str]],
    extract: Extractor,
    nms_radius_px: int = 4,
    distance_px: float = 3.0,
) -> dict[str, tuple[float, float]]:
    """Return (average precision, localization error in px) of a detector on synthetic shapes, pooled and per primitive.

    Each sample is (image uint8 (H, W), true keypoints (N, 2), primitive). The key `all` pools every picture, those
    without keypoints included; a primitive that has none is NaN. The extractor must apply no threshold of its own.
    """
    pictures: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {"all": []}
    for image, truth, primitive in samples:
        features = extract(image, nms_radius_px)
        picture = (features.keypoints, features.scores, truth)
        pictures["all"].append(picture)
        pictures.setdefault(primitive, []).append(picture)
    return {name: metrics.detection_average_precision(members, distance_px) for name, members in pictures.items()}
