"""Validation of patch descriptors in the training loop, on patches of photographs or sets that are held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import tensorflow as tf

from superpoint_tf.config import DOG, Config, LaterViews
from superpoint_tf.data.batches.batch import Batch, TensorBatch, stack_samples
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.batches.set_batch import set_batch
from superpoint_tf.data.patch_sets.set_source import PatchSetSource
from superpoint_tf.data.photographs.detected_photographs import FrameSettings, render_detected
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings
from superpoint_tf.data.photographs.reading import cover_and_crop, read_photograph
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.random_streams import EVALUATION_PAIRS
from superpoint_tf.drawing.layout import side_by_side, stack
from superpoint_tf.evaluation.patch_metrics import fpr95, nearest_is_right
from superpoint_tf.losses.distance_matrix import distances, negatives_in
from superpoint_tf.networks.patch_pairs import pair_scorer
from superpoint_tf.runtime import storage
from superpoint_tf.systems import SCORES, SYSTEMS
from superpoint_tf.training.validation import Figures, Metrics

_MOST_PHOTOGRAPHS, _NUM_POINTS = 16, 1024
_CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX = 500, 0.01, 8  # of Shi and Tomasi, since these have no labels
_SHOWN_PATCHES = 12  # a row
_COMPARED = 15  # other points with which a network of scores compares one: all pairs would take minutes
_PAIRS_AT_ONCE = 256


class PatchValidator:
    """How well points are told apart, each seen in two patches; `cut` gives the batch of them when it is asked for."""

    key = "nearest"

    def __init__(self, config: Config, cut: Callable[[], TensorBatch]) -> None:
        self._config, self._cut = config, cut
        self._batch: TensorBatch | None = None

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        """Return `nearest`, the share of points whose partner is the nearest of all, and `fpr95` over all pairs.

        A network of scores compares each patch with those of 15 other points alone: its numbers are of an easier task.
        """
        if self._batch is None:
            self._batch = self._cut()
        batch = self._batch
        negatives = negatives_in(batch, self._config.patches.radius_px).numpy()  # rows that are not valid have none
        if SYSTEMS[self._config.network.system].gives == SCORES:
            matrix, negatives = _score_distances(model, batch, negatives)
        else:
            first, second = (model(batch[name], training=False)["vector"] for name in ("patches0", "patches1"))
            matrix = distances(first, second).numpy()
        metrics = {
            "nearest": nearest_is_right(matrix, negatives),
            "fpr95": fpr95(np.diag(matrix)[batch["valid"].numpy()], matrix[negatives]),
        }
        return metrics, self._figures(batch)

    def _figures(self, batch: TensorBatch) -> Figures:
        """Draw the first patches of both views, one above the other, in `num_figures` rows."""
        valid = np.flatnonzero(batch["valid"].numpy())[: _SHOWN_PATCHES * self._config.patches.num_figures]
        rows = []
        for start in range(0, len(valid), _SHOWN_PATCHES):
            for name in ("patches0", "patches1"):
                patches = batch[name].numpy()[valid[start : start + _SHOWN_PATCHES], ..., 0]
                rows.append(side_by_side([np.rint(255 * patch).astype(np.uint8) for patch in patches]))
        return {"validation_patches": stack(rows)} if rows else {}


def _score_distances(model: tf.keras.Model, batch: TensorBatch, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return minus the scores of points and `_COMPARED` others each, (P, P), and which pairs of these are negatives."""
    scorer = pair_scorer(model, batch["patches0"], batch["patches1"])
    rows = np.arange(len(negatives))
    matrix, compared = np.zeros(negatives.shape, np.float32), np.zeros_like(negatives)
    for step in range(_COMPARED + 1):  # to other pictures
        others = (rows + step * max(len(rows) // (_COMPARED + 1), 1)) % len(rows)
        for some in np.array_split(rows, max(len(rows) // _PAIRS_AT_ONCE, 1)):
            matrix[some, others[some]] = -scorer(tf.constant(some), tf.constant(others[some])).numpy()
        compared[rows, others] = True
    return matrix, negatives & compared


def cut_from_photographs(config: Config, image_root: str, photographs: Sequence[str]) -> TensorBatch:
    """Cut patches of both views of some photographs that are held out, as `data.batches.patch_batch` returns them.

    Points are those of differences of Gaussians where the training's are, else corners of Shi and Tomasi; of few
    photographs more of each, so that a number does not hang on a handful.
    """
    paths = [storage.join(image_root, name) for name in photographs[:_MOST_PHOTOGRAPHS]]
    section = dataclasses.replace(config.photographs, later=LaterViews())  # these numbers are later than any
    batch = (_with_frames if config.patches.labels == DOG else _at_corners)(config, paths, image_root)
    kind, tensors = BATCHES["patches"], {name: tf.constant(value) for name, value in batch.items()}
    settings = kind.settings(config, section)
    points = min(max(settings.points_per_picture, _NUM_POINTS // len(paths)), max(batch["keypoints"].shape[1], 1))
    return kind.assemble(tensors, config.seed, dataclasses.replace(settings, points_per_picture=points))


def cut_from_set(config: Config, source: PatchSetSource) -> TensorBatch:
    """Return the first points of a set that is held out, at most so many as photographs would give."""
    samples = min(_MOST_PHOTOGRAPHS, max(source.num_points // source.points_per_sample, 1))
    batch = source.render(source.payloads(range(samples)))
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    return set_batch(tensors, config.seed, None)


def _with_frames(config: Config, paths: Sequence[str], image_root: str) -> Batch:
    payloads = [(EVALUATION_PAIRS.first + n, path, n) for n, path in enumerate(paths)]
    return render_detected(RenderSettings.of(config, config.seed, image_root), FrameSettings.of(config), payloads)


def _at_corners(config: Config, paths: Sequence[str], image_root: str) -> Batch:
    photographs, numbers = config.photographs, [EVALUATION_PAIRS.first + n for n in range(len(paths))]
    read = (read_photograph(path, photographs.stretch) for path in paths)
    images = [cover_and_crop(picture, photographs.image_shape)[0] for picture in read]
    first, second = (
        [
            photometric_change(image, photographs.photometric, config.seed, number, view=view)
            for number, image in zip(numbers, images, strict=True)
        ]
        for view in (0, 1)
    )
    batch: Batch = stack_samples(numbers, first, [_corners(image) for image in images])
    batch["images1"], batch["pictures"] = np.stack(second), np.arange(len(images), dtype=np.int64)
    return batch


def _corners(image: np.ndarray) -> np.ndarray:
    found = cv2.goodFeaturesToTrack(image, _CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX)
    return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2).astype(np.float32)
