"""What a coarser precision costs: repeatability and matching on random homographies, beside TensorFlow's float32."""

from __future__ import annotations

from dataclasses import replace

from superpoint_tf.config import EvaluationSection, PhotometricConfig
from superpoint_tf.evaluation.in_memory import Extractor, evaluate_pairs
from superpoint_tf.evaluation.methods.methods import FOR_PAIRS
from superpoint_tf.evaluation.pair_averages import summarize
from superpoint_tf.evaluation.pair_protocol import DETECTOR_PROTOCOL
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.export.calibration import Photographs
from superpoint_tf.runtime.progress import Console, watched

NUM_PAIRS = 40
MAX_ANGLE_DEG = 30.0  # what the networks that come with the package were trained for
FOR_MEASURING = replace(FOR_PAIRS, nms_radius_px=DETECTOR_PROTOCOL.nms_radius_px)  # of a file without postprocessing
Row = dict[str, float | str]


def measure_repeatability(
    methods: dict[str, Extractor],
    photographs: Photographs,
    image_shape: tuple[int, int] | None,
    nms_radius_px: int,
    num_pairs: int,
    console: Console,
) -> list[Row]:
    """Return a row of means for each method; seed 0, 300 keypoints, right within 3 px.

    `image_shape` None stands for 240x320.
    """
    protocol = replace(
        DETECTOR_PROTOCOL, image_shape=image_shape or DETECTOR_PROTOCOL.image_shape, nms_radius_px=nms_radius_px
    )
    homography = replace(EvaluationSection().homography, max_angle_deg=MAX_ANGLE_DEG)
    settings = (homography, PhotometricConfig(), 0, num_pairs, photographs.left_out, photographs.stretch)
    pairs = random_homography_pairs(photographs.paths, protocol.image_shape, *settings)
    pairs = watched(pairs, num_pairs, "eval", "pairs", console)
    return summarize(evaluate_pairs(pairs, methods, protocol))


def describe_quality(row: Row) -> str:
    """Return a row's means in words."""
    names = {"repeatability": "repeatability", "matching_score": "matching score"}
    means = [f"{title} {row[name]:.3f}" for name, title in names.items() if name in row]
    return f"{', '.join(means)} | {row['pairs']} random homographies"
