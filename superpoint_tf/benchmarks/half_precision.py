"""What half precision does to labels: adaptation by one detector in float32 and in half, on the same photographs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import numpy as np

from superpoint_tf.adaptation.aggregate import Adapter, image_seed
from superpoint_tf.benchmarks.entries import Entry
from superpoint_tf.benchmarks.settings import Settings, shape_name
from superpoint_tf.config import AdaptationSection, PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import find_photographs
from superpoint_tf.data.photographs.reading import cover_and_crop, read_photograph
from superpoint_tf.data.views import to_unit
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.evaluation.metrics import partner_distances, repeatability
from superpoint_tf.networks.weights import load_network
from superpoint_tf.runtime import storage

_SHAPE = (240, 320)
_PHOTOGRAPHS, _QUICK_PHOTOGRAPHS = 10, 2
_SAME_PX = 1.0


def half_precision_entries(settings: Settings) -> Iterator[Entry]:
    """Label photographs by `settings.weights` in each precision; yield how many labels stay within a pixel."""
    found = find_photographs(PhotographsSection(), settings.images)
    names = found.train[: _QUICK_PHOTOGRAPHS if settings.quick else _PHOTOGRAPHS]
    paths = [storage.join(found.root, name) for name in names]
    images = [cover_and_crop(read_photograph(path), _SHAPE)[0] for path in paths]
    section = settings.config.adaptation
    expected, expected_s = _label(settings.weights, "float32", images, section)
    for precision in ("mixed_bfloat16", "mixed_float16") if settings.on_gpu else ("mixed_bfloat16",):
        labels, seconds = _label(settings.weights, precision, images, section)
        shared = [_share_of_same(*pair) for pair in zip(expected, labels, strict=True)]
        counts = [sum(map(len, each)) / len(images) for each in (expected, labels)]
        yield Entry(
            f"labels {shape_name(_SHAPE)}, {precision}: within {_SAME_PX:g} px of those of float32, and the reverse",
            float(np.mean(shared)),
            "share",
            note=f"{len(images)} photographs, {counts[1]:.1f} labels an image, float32 {counts[0]:.1f}; "
            f"{expected_s / seconds:.2f} times as fast",
        )


def _label(
    weights: str, precision: str, images: list[np.ndarray], section: AdaptationSection
) -> tuple[list[np.ndarray], float]:
    """Return the keypoints of each image, and the seconds that all but the compiling first call took."""
    adapter = Adapter(load_network(weights, precision)[0], dataclasses.replace(section, precision=precision))
    keypoints, began = [], 0.0
    for number, image in enumerate([images[0], *images]):
        began = began or (time.monotonic() if number else 0.0)
        heatmap = adapter(to_unit(image), image_seed(0, "0")).heatmap.numpy()
        keypoints.append(detect_keypoints(heatmap, section.detection)[0])
    return keypoints[1:], time.monotonic() - began


def _share_of_same(keypoints0: np.ndarray, keypoints1: np.ndarray) -> float:
    distances = partner_distances(keypoints0, keypoints1, np.eye(3), _SHAPE, max_keypoints=None)
    return repeatability(*distances, distance_px=_SAME_PX)
