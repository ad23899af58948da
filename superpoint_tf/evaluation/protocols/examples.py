"""The pictures of a report: the best and the worst pair of each method, and shapes with what was found on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from superpoint_tf.drawing.figures import figure_detections, figure_matches
from superpoint_tf.drawing.layout import join_row, stack
from superpoint_tf.drawing.panels import is_control
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.extraction import PairRecord
from superpoint_tf.evaluation.feature_store import read_stored
from superpoint_tf.evaluation.pair_averages import PairResult
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import Group, ImagePair
from superpoint_tf.evaluation.results import Example
from superpoint_tf.features.feature_files import open_features
from superpoint_tf.features.matching import match_descriptors

if TYPE_CHECKING:
    from superpoint_tf.evaluation.protocols.shapes import Shape, ShapeRecord

_PANELS_A_ROW = 4


def choose_examples(results: Sequence[PairResult], groups: Mapping[str, Group]) -> list[tuple[PairResult, str]]:
    """Return the best and the worst pair of each method with descriptors, by matching score.

    Pairs of groups with a warning are left out while there are others; controls are, too.
    """
    described = [r for r in results if "matching_score" in r.values and not is_control(r.method)]
    informative = [r for r in described if r.group not in groups or not groups[r.group].warning] or described
    chosen = []
    for method in dict.fromkeys(r.method for r in informative):
        ranked = sorted((r for r in informative if r.method == method), key=lambda r: -r.values["matching_score"])
        chosen += [(ranked[0], "best"), (ranked[-1], "worst")] if len(ranked) > 1 else [(ranked[0], "only")]
    return chosen


def draw_pair_examples(
    pairs: Iterable[ImagePair],
    records: Sequence[PairRecord],
    files: Mapping[str, str],
    results: Sequence[PairResult],
    protocol: PairProtocol,
    groups: Mapping[str, Group],
) -> list[Example]:
    """Draw the chosen pairs with right matches green and wrong ones red, from the features on disk."""
    chosen = choose_examples(results, groups)
    wanted = {(result.pair, result.group) for result, _ in chosen}
    found = {(p.name, p.group): p for p in pairs if (p.name, p.group) in wanted}
    frames = {(record.name, record.group): record.frames for record in records}
    return [
        _draw_example(found[key], frames[key], files[result.method], result, rank, protocol)
        for result, rank in chosen
        for key in [(result.pair, result.group)]
    ]


def _draw_example(
    pair: ImagePair, frames: tuple[str, str], path: str, result: PairResult, rank: str, protocol: PairProtocol
) -> Example:
    with open_features(path) as file:
        features0, features1 = (read_stored(file, name) for name in frames)
    matches = np.zeros((0, 2), np.int64)
    if features0.descriptors is not None and features1.descriptors is not None:  # None: nothing was found there
        matches = match_descriptors(features0.descriptors, features1.descriptors)
    errors = metrics.match_errors(features0.keypoints, features1.keypoints, matches, pair.homography_0to1)
    title = f"{result.method}, {rank}: {pair.name} ({pair.group}), matching score {result.values['matching_score']:.3f}"
    right: np.ndarray = errors <= protocol.distance_px
    picture = figure_matches(
        result.method, pair.image0, pair.image1, features0.keypoints, features1.keypoints, matches, right
    )
    return Example(title, picture)


def draw_shape_examples(
    shapes: Iterable[Shape], records: Sequence[ShapeRecord], files: Mapping[str, str], protocol: PairProtocol
) -> list[Example]:
    """Draw the noisy shapes with each method's strongest detections, as many as there are corners, and the truth.

    So a missed corner is a ring without a dot, and every dot outside a ring is a corner that was ranked too high.
    """
    frames = {record.name: record.frames["noisy"] for record in records}
    examples = []
    for shape in shapes:
        panels = []
        for method, path in files.items():
            with open_features(path) as file:
                features = read_stored(file, frames[shape.name])
            strongest = features.keypoints[: max(len(shape.keypoints), 1)]
            panels.append(
                figure_detections(shape.images["noisy"], strongest, shape.keypoints, title=method, width_px=240)
            )
        rows = [join_row(panels[start : start + _PANELS_A_ROW]) for start in range(0, len(panels), _PANELS_A_ROW)]
        examples.append(Example(f"{shape.primitive}, noisy", stack(rows)))
    return examples
