"""Validation of LIFT's networks in the training loop, each through those before it, on photographs held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config, LaterViews
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.photographs.detected_photographs import FrameSettings, render_detected
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings
from superpoint_tf.data.random_streams import EVALUATION_PAIRS
from superpoint_tf.drawing.layout import side_by_side, stack
from superpoint_tf.evaluation.patch_metrics import fpr95, nearest_is_right
from superpoint_tf.losses.distance_matrix import distances, negatives_in
from superpoint_tf.losses.lift_losses import soft_maximum
from superpoint_tf.networks import lift_chain
from superpoint_tf.runtime import storage
from superpoint_tf.training.validation import Figures, Metrics

_MOST_PHOTOGRAPHS, _POINTS = 8, 32  # of each
_SHOWN_PATCHES = 12  # a row


class LiftValidator:
    """How well points are told apart by what is trained so far; for the detector, keypoints from empty patches too."""

    key = "nearest"

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str]) -> None:
        self._config, self._stage = config, config.lift.trainable
        self._paths = [storage.join(image_root, name) for name in photographs[:_MOST_PHOTOGRAPHS]]
        self._batch: TensorBatch | None = None

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        """Return `nearest`, the share of points whose partner is the nearest of all, and `fpr95` over all pairs.

        Of the detector also `told`, the share of pairs of a keypoint and an empty patch in which the keypoint's soft
        maximum is the larger one. Figures show what the descriptor sees, both views one above the other.
        """
        batch = self._batch = self._cut() if self._batch is None else self._batch
        crops, scores = zip(*(self._crops(model, batch[f"patches{view}"]) for view in (0, 1)), strict=True)
        first, second = (model.get_layer("descriptor")(each, training=False) for each in crops)
        negatives, matrix = negatives_in(batch, self._config.lift.radius_px).numpy(), distances(first, second).numpy()
        valid = batch["valid"].numpy()
        metrics = {
            "nearest": nearest_is_right(matrix, negatives),
            "fpr95": fpr95(np.diag(matrix)[valid], matrix[negatives]),
        }
        if self._stage == "detector":
            empty = soft_maximum(lift_chain.score_maps(model, batch["patches_empty"]))
            metrics["told"] = _share_above(scores[0].numpy()[valid], empty.numpy()[batch["valid_empty"].numpy()])
        return metrics, self._figures(crops, valid)

    def _crops(self, model: tf.keras.Model, patches: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what the descriptor sees (P, 64, 64, 1), and the soft maxima of the detector's scores (P,)."""
        scores = lift_chain.score_maps(model, patches)
        places = lift_chain.locate(scores) if self._stage == "detector" else lift_chain.middle(patches)
        towards = tf.broadcast_to(tf.constant([1.0, 0.0]), tf.shape(places))
        if self._stage != "descriptor":
            towards = lift_chain.directions(model, patches, places)
        return lift_chain.crop(patches, places, towards), soft_maximum(scores)

    def _cut(self) -> TensorBatch:
        config = self._config
        payloads = [(EVALUATION_PAIRS.first + n, path, n) for n, path in enumerate(self._paths)]
        batch = render_detected(RenderSettings.of(config, config.seed), FrameSettings.of(config), payloads)
        tensors = {name: tf.constant(value) for name, value in batch.items()}
        kind, section = BATCHES["lift"], dataclasses.replace(config.photographs, later=LaterViews())
        settings = kind.settings(config, section)
        patches = dataclasses.replace(settings.patches, points_per_picture=_POINTS)
        return kind.assemble(tensors, config.seed, dataclasses.replace(settings, patches=patches))

    def _figures(self, crops: Sequence[tf.Tensor], valid: np.ndarray) -> Figures:
        shown, rows = np.flatnonzero(valid)[: _SHOWN_PATCHES * self._config.lift.num_figures], []
        for start in range(0, len(shown), _SHOWN_PATCHES):
            for view in crops:
                patches = view.numpy()[shown[start : start + _SHOWN_PATCHES], ..., 0]
                rows.append(side_by_side([np.rint(255 * np.clip(patch, 0, 1)).astype(np.uint8) for patch in patches]))
        return {"validation_crops": stack(rows)} if rows else {}


def _share_above(keypoints: np.ndarray, empty: np.ndarray) -> float:
    """Return the share of all pairs in which the keypoint's score is above the empty patch's; ties count half."""
    if not len(keypoints) or not len(empty):
        return 0.0
    steps = keypoints[:, None] - empty
    return float((steps > 0).mean() + 0.5 * (steps == 0).mean())
