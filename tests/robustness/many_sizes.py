"""Memory of one path of the package over pictures of ever new sizes: python tests/robustness/many_sizes.py WHAT COUNT

Prints, as JSON, the resident memory after each hundred sizes, and what `malloc_trim` leaves of it at the end: what that
gives back is the allocator's. Linux alone.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from superpoint_tf.config import DetectionConfig, NetworkConfig
from superpoint_tf.evaluation.methods.dense_networks import dense_method_of
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.models.stereo_costs import PairCosts
from superpoint_tf.networks.build import build_network
from superpoint_tf.systems import SYSTEMS, StereoSpec
from superpoint_tf.using.extractor import Extractor
from superpoint_tf.using.frame_views import DetectionView
from superpoint_tf.using.keypoint_extractors import open_extractor
from superpoint_tf.using.two_views import align

DETECTION = DetectionConfig(max_keypoints=200)
_BATCH, _EVERY = 50, 100
Pictures = Iterator[np.ndarray]
Step = Callable[[], int]  # looks at some pictures, and returns how many


def pictures(low: int, high: int) -> Pictures:
    """Yield grey pictures of sides from `low` to `high`, each of another size."""
    generator, seen = np.random.default_rng(0), set()
    photograph = generator.integers(0, 256, (32, 32), dtype=np.uint8)
    while True:
        size = tuple(int(side) for side in generator.integers(low, high, 2))
        if size not in seen:
            seen.add(size)
            yield cv2.resize(photograph, size)


def step_of(what: str, source: Pictures) -> Step:
    """Return what is done again and again."""
    kind, _, system = what.partition(":")
    if kind == "extract_batch":
        model = SuperPoint.from_pretrained("superpoint-small")
        return lambda: len(model.extract_batch([next(source) for _ in range(_BATCH)], DETECTION).features)
    if kind in ("extract", "patches", "match"):
        keypoints = ("sift", "hardnet") if kind == "patches" else (None, None)
        extract = open_extractor("superpoint-small", *keypoints, DETECTION, None)
        if kind == "match":
            return lambda: 2 * bool(align(extract, next(source), next(source)))
        return lambda: bool(extract(next(source)))
    if kind == "show":
        view = DetectionView(Extractor("superpoint-small"))
        return lambda: view(picture := next(source), np.dstack([picture] * 3))[0].size > 0
    network = build_network(NetworkConfig(system=system))
    if kind == "pck":
        method = dense_method_of(system, {}, network)
        return lambda: method.describe(next(source)).descriptors.size > 0
    if kind == "stereo":
        spec = SYSTEMS[system].network
        assert isinstance(spec, StereoSpec)
        costs = PairCosts(network, spec)
        return lambda: bool(costs.volume(picture := np.float32(next(source) / 255), picture, 4).size)
    dense = SuperPoint(network)
    return lambda: bool(dense.extract(next(source), DETECTION))


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", help="extract, extract_batch, patches, match, show, or dense:, pck:, stereo: with a system"
    )
    parser.add_argument("count", type=int)
    parser.add_argument("sides", type=int, nargs="*", default=[64, 140])
    arguments = parser.parse_args()
    step, done, found = step_of(arguments.what, pictures(*arguments.sides)), 0, []
    while done < arguments.count:
        done += step()
        if done >= _EVERY * (len(found) + 1):
            gc.collect()
            found.append(round(resident_mb()))
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    print(json.dumps({"what": arguments.what, "sizes": done, "resident_mb": found, "trimmed_mb": round(resident_mb())}))


if __name__ == "__main__":
    main()
