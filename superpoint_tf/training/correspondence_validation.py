"""Validation of maps of descriptors in the training loop: where points of held-out photographs are put."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.drawing.layout import stack
from superpoint_tf.evaluation.methods.dense_networks import dense_method_of
from superpoint_tf.evaluation.pck_measures import values_of
from superpoint_tf.evaluation.pck_metrics import nearest_places
from superpoint_tf.evaluation.protocols.pck_results import PckExample
from superpoint_tf.evaluation.sets.dense_pairs import GROUPS, DensePair, photograph_pairs
from superpoint_tf.runtime import storage
from superpoint_tf.training.validation import Figures, Metrics

_SHORT = {"homographies": "h", "planes": "planes", "cross-appearance": "cross"}
_SHOWN_POINTS = 60


class CorrespondenceValidator:
    """PCK by the definitions of the protocol `pck`, on `evaluation.num_pairs` pairs, a third of them of each group.

    The best weights are those of the group that is trained on: PCK@10 px, or of other appearances PCK at .1.
    """

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str]) -> None:
        dense = config.dense
        self.key = "pck10_planes" if dense.truth == "planes" else "pck10_h"
        if dense.appearance == "changed":
            self.key = "pck.1_cross"
        self._config = config
        self._paths = [storage.join(image_root, name) for name in photographs]
        self._pairs: list[DensePair] = []

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        """Return PCK@10 px and PCK at .1 of the longer side, of each group, and what was found in its first pair."""
        if not self._pairs:
            settings = self._config.evaluation
            num = max(settings.num_pairs // len(GROUPS), 1)
            self._pairs = list(photograph_pairs(self._paths, self._config, settings.image_shape, num, []))
        method = dense_method_of(model.name, {}, model)
        values: dict[str, list[float]] = {}
        examples: dict[str, np.ndarray] = {}
        for pair in self._pairs:
            if not len(pair.points0):
                continue
            found = nearest_places(method.describe(pair.image0), method.describe(pair.image1), pair.points0)
            measured = values_of(found, pair.points1, pair.image0.shape)
            for short, name in (("pck10", "pck_10px"), ("pck.1", "pck_alpha_10")):
                values.setdefault(f"{short}_{_SHORT[pair.group]}", []).append(measured[name])
            few = pair._replace(points0=pair.points0[:_SHOWN_POINTS])
            examples.setdefault(pair.group, PckExample(model.name, few, found[:_SHOWN_POINTS]).draw().picture)
        figures = (
            {"validation_points": stack(list(examples.values()))} if examples and self._config.dense.num_figures else {}
        )
        return {self.key: float("nan")} | {name: float(np.mean(each)) for name, each in values.items()}, figures
