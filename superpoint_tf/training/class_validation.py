"""Validation of DELF in the training loop: one vector a view, views of held-out photographs ranked by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.photographs.photograph_pairs import PhotographPairs
from superpoint_tf.data.photometric_graph import change_pending
from superpoint_tf.data.random_streams import EVALUATION_PAIRS
from superpoint_tf.drawing.layout import resize, side_by_side, stack
from superpoint_tf.drawing.visualization import HEATMAP_RANGE, draw_heatmap
from superpoint_tf.evaluation.metrics import average_precision
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.training.validation import Figures, Metrics

_MOST_PHOTOGRAPHS, _PAIRS = 64, 2  # of views of each
_AT_ONCE = 32  # views
_FIGURE_SCALE = 2


class ClassValidator:
    """Mean average precision of views of held-out photographs, ranked by the mean of unit features, under attention."""

    key = "map"

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str]) -> None:
        self._config, self._root = config, image_root
        self._photographs = tuple(photographs[:_MOST_PHOTOGRAPHS])
        self._views: tuple[np.ndarray, np.ndarray] | None = None

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        """Return `map` by the stage's mean, and where that is weighed by attention, `map_unweighed` too."""
        if self._views is None:
            self._views = self._make()
        images, pictures = self._views
        unweighed, weighed, attention = [], [], []
        for start in range(0, len(images), _AT_ONCE):
            outputs = model(images[start : start + _AT_ONCE], training=False)
            features = normalize_descriptors(outputs["features"])
            unweighed.append(tf.reduce_mean(features, (1, 2)).numpy())
            weighed.append(tf.reduce_mean(features * outputs["attention"], (1, 2)).numpy())
            attention.append(outputs["attention"].numpy()[..., 0])
        plain = ranked_map(np.concatenate(unweighed), pictures)
        if self._config.classes.stage == "body":
            return {"map": plain}, {}
        found = {"map": ranked_map(np.concatenate(weighed), pictures), "map_unweighed": plain}
        return found, self._figures(images, np.concatenate(attention))

    def _make(self) -> tuple[np.ndarray, np.ndarray]:
        """Return views (N, H, W, 1) and the photographs (N,) that they show."""
        config, count = self._config, len(self._photographs)
        source = PhotographPairs(config, self._root, self._photographs, config.seed)
        kind, first = BATCHES["classes"], EVALUATION_PAIRS.first
        images, pictures = [], []
        for start in range(0, _PAIRS * count, _AT_ONCE):
            numbers = range(first + start, first + min(start + _AT_ONCE, _PAIRS * count))
            handed = source.render([(n, source.path((n - first) % count), (n - first) % count) for n in numbers])
            tensors = {name: tf.constant(value) for name, value in handed.items()}
            tensors = change_pending(tensors, source.pending, config.seed)
            batch = kind.assemble(tensors, config.seed, kind.settings(config, config.photographs))
            for name in ("images0", "images1"):
                images.append(batch[name].numpy())
                pictures.append(batch["pictures"].numpy())
        return np.concatenate(images), np.concatenate(pictures)

    def _figures(self, images: np.ndarray, attention: np.ndarray) -> Figures:
        shown = range(min(self._config.training.num_figures, len(images)))
        rows = [attention_figure(images[number, ..., 0], attention[number]) for number in shown]
        return {"validation_attention": stack(rows)} if rows else {}


def attention_figure(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Draw a picture (H, W) in [0, 1] beside itself below its attention (h, w), in equal steps from least to most."""
    grey = np.rint(255 * image).astype(np.uint8)
    low, high = float(attention.min()), float(attention.max())
    relative = (attention - low) / max(high - low, 1e-9)
    heatmap = tf.image.resize(relative[..., np.newaxis], image.shape).numpy()[..., 0]
    least, most = HEATMAP_RANGE  # which is drawn logarithmically
    drawn = draw_heatmap(least * (most / least) ** heatmap, grey, _FIGURE_SCALE)
    return side_by_side([resize(grey, _FIGURE_SCALE), drawn], ["view", f"{low:.2f} to {high:.2f}"])


def ranked_map(vectors: np.ndarray, pictures: np.ndarray) -> float:
    """Return the mean average precision of vectors (N, C) by cosine: each asks for those of its own picture (N,).

    `metrics.average_precision`; a vector of which there is no other of its picture does not ask. NaN if none asks.
    """
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similar = vectors @ vectors.T
    found = []
    for number in range(len(vectors)):
        others = np.arange(len(vectors)) != number
        right = (pictures == pictures[number])[others]
        if right.any():
            found.append(average_precision(similar[number][others], right, int(right.sum())))
    return float(np.mean(found)) if found else float("nan")
