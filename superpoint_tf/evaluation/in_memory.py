"""Methods run over image pairs and synthetic shapes in memory, as the trainer's validation and the demonstration do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from superpoint_tf.detection.suppression import suppress_keypoints
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.pair_averages import PairResult, measure_pair
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.features import Features

Extractor = Callable[[np.ndarray, int], Features]
"""From a grey uint8 image (H, W) and an NMS radius in pixels to all features, suppressed, strongest first.

`suppressed` makes one of a function of the image alone; a model does it by itself:
`lambda image, nms_radius_px: model.extract(image, nms_radius_px=nms_radius_px)`. The protocol takes the strongest.
"""


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
        own = replace(protocol, image_shape=(pair.image0.shape[0], pair.image0.shape[1]))
        for name, extract in methods.items():
            features1 = extract(pair.image1, protocol.nms_radius_px)
            values = measure_pair(features0[name], features1, pair.homography_0to1, own, detector, matching)
            results.append(PairResult(name, pair.name, pair.group, values, pair.sequence))
        on_pair()
    return results


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
    judged: dict[str, list[metrics.Judged]] = {"all": []}
    for image, truth, primitive in samples:
        features = extract(image, nms_radius_px)
        picture = metrics.judge_detections(features.keypoints, features.scores, truth, distance_px)
        judged["all"].append(picture)
        judged.setdefault(primitive, []).append(picture)
    return {
        name: (metrics.pooled_precision(pictures), metrics.pooled_localization_error(pictures))
        for name, pictures in judged.items()
    }
