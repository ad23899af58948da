"""Validation in the training loop, with the metrics and protocols of `superpoint_tf.evaluation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config, DetectionConfig
from superpoint_tf.data.shapes.synthetic_sets import drawn_primitives
from superpoint_tf.drawing.figures import figure_detections, figure_matches
from superpoint_tf.drawing.layout import side_by_side, stack
from superpoint_tf.drawing.visualization import draw_heatmap
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.in_memory import evaluate_pairs, evaluate_shapes
from superpoint_tf.evaluation.methods.methods import FOR_SHAPES, extractor_of
from superpoint_tf.evaluation.pair_averages import summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.evaluation.protocols.shapes import CONDITIONS, draw_shapes
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.networks.build import describes
from superpoint_tf.runtime import storage

Metrics = dict[str, float]
Figures = dict[str, np.ndarray]
_SHOWN_THRESHOLD = 0.015  # probability above which a detection is drawn


class Validator(Protocol):
    """Measures a network; `key` names the metric by which the best weights are chosen (more is better)."""

    key: str

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        """Return metrics by name and figures (uint8 BGR) by file name."""
        ...


class ShapesValidator:
    """Average precision and localization error on synthetic shapes that are never trained on, clean and noisy."""

    key = "map_noisy"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._samples: dict[str, list[tuple[np.ndarray, np.ndarray, str]]] = {}

    def _load(self) -> None:
        config, per_primitive = self._config, self._config.evaluation.num_synthetic
        per_primitive = min(per_primitive, config.synthetic.num_validation)
        shapes = list(draw_shapes(config, "validation", per_primitive))
        self._samples = {
            condition: [(shape.images[condition], shape.keypoints, shape.primitive) for shape in shapes]
            for condition in CONDITIONS
        }

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        if not self._samples:
            self._load()
        network = SuperPoint(model)
        extract, settings = extractor_of(network, FOR_SHAPES), self._config.evaluation
        result: Metrics = {}
        for name, samples in self._samples.items():
            precision, error = evaluate_shapes(samples, extract, settings.nms_radius_px, settings.distance_px)["all"]
            result |= {f"map_{name}": precision, f"loc_{name}": error}
        return result, self._figures(network)

    def _figures(self, network: SuperPoint) -> Figures:
        rows = []
        wanted = drawn_primitives(self._config.synthetic.draw)
        for primitive in wanted[: max(self._config.detector.num_figures, 0)]:
            image, truth, _ = next(sample for sample in self._samples["noisy"] if sample[2] == primitive)
            found = network.extract(image, threshold=_SHOWN_THRESHOLD)
            panel = figure_detections(image, found.keypoints, truth, found.scores, title=primitive)
            heatmap = side_by_side([draw_heatmap(network.heatmap(image), image, 3)], ["heatmap"])
            rows.append(side_by_side([panel, heatmap]))
        return {"validation_shapes": stack(rows)} if rows else {}


class PairsValidator:
    """Repeatability, and with descriptors matching score and homography accuracy, on warps of held-out photographs."""

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str]) -> None:
        self._matching = describes(config.network)
        self.key = "matching_score" if self._matching else "repeatability"
        self._config = config
        self._paths = [storage.join(image_root, name) for name in photographs]
        self._num_figures = config.training.num_figures
        self._pairs: list[ImagePair] = []

    def _load(self) -> None:
        settings, config = self._config.evaluation, self._config
        self._pairs = list(
            random_homography_pairs(
                self._paths,
                settings.image_shape,
                settings.homography,
                config.photographs.photometric,
                config.seed,
                settings.num_pairs,
                stretch=config.photographs.stretch,
            )
        )

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        if not self._pairs:
            self._load()
        protocol = PairProtocol.of(self._config.evaluation)
        network = SuperPoint(model)
        extract = extractor_of(network)
        row = summarize(evaluate_pairs(self._pairs, {"model": extract}, protocol, matching=self._matching))[0]
        names = {"repeatability": "repeatability", "localization_px": "loc_px"}
        if self._matching:
            names |= {"matching_score": "matching_score", "h_1": "h_1", "h_3": "h_3", "h_5": "h_5"}
        return {short: float(row[name]) for name, short in names.items()}, self._figures(network)

    def _figures(self, network: SuperPoint) -> Figures:
        settings, shown = self._config.evaluation, self._pairs[: self._num_figures]
        rows, matches = [], []
        for pair in shown:
            detection = DetectionConfig(_SHOWN_THRESHOLD, settings.nms_radius_px, max_keypoints=settings.num_keypoints)
            found = [network.extract(image, detection) for image in (pair.image0, pair.image1)]
            panels = [
                figure_detections(image, features.keypoints, scores=features.scores, title=title)
                for image, features, title in zip((pair.image0, pair.image1), found, ("view 0", "view 1"), strict=True)
            ]
            heatmap = draw_heatmap(network.heatmap(pair.image0), pair.image0, 2)
            rows.append(side_by_side([*panels, side_by_side([heatmap], ["heatmap of view 0"])]))
            if self._matching:
                pairs = network.match(found[0], found[1])
                errors = metrics.match_errors(found[0].keypoints, found[1].keypoints, pairs, pair.homography_0to1)
                right = errors <= settings.distance_px
                views = (pair.image0, pair.image1, found[0].keypoints, found[1].keypoints)
                matches.append(figure_matches(pair.name, *views, pairs, right))
        figures = {"validation_detections": stack(rows)} if rows else {}
        return figures | ({"validation_matches": stack(matches)} if matches else {})
