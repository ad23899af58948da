"""The figure of a round: for some photographs one-image detections, aggregated heatmap, labels and Harris corners."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.adaptation.aggregate import Adapter, image_seed
from superpoint_tf.config import Config
from superpoint_tf.data.labels.label_sets import LabelSet, resolve_place
from superpoint_tf.data.labels.labels import load_label
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.reading import cover_and_crop
from superpoint_tf.data.views import to_unit
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.drawing.figures import figure_adaptation
from superpoint_tf.drawing.layout import stack
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.evaluation.in_memory import suppressed
from superpoint_tf.evaluation.methods.baselines import harris
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.runtime import storage


def draw_round(
    config: Config,
    reading: PhotographReading,
    labels: LabelSet,
    adapter: Adapter,
    model: tf.keras.Model,
) -> str:
    """Write `figures/round_<k>.png` below the label folder, for photographs spread evenly over the labels; return it.

    Empty where none are to be drawn.
    """
    count = min(config.adaptation.num_figures, len(labels))
    if not count:
        return ""
    detector, settings = SuperPoint(model), config.adaptation.detection
    rows = []
    for index in np.linspace(0, len(labels) - 1, count).astype(int):
        name, label_path = resolve_place(labels.place(int(index)))
        photograph = reading.read(storage.join(reading.root, name))
        image, _ = cover_and_crop(photograph.image, config.photographs.image_shape)
        label = load_label(label_path)
        seed = image_seed(config.seed, label.sha256)  # that of the labels: what is drawn is what they were taken from
        heatmap = adapter(to_unit(image), seed).heatmap.numpy()
        single, _ = detect_keypoints(detector.heatmap(image), settings)
        classical = suppressed(harris)(image, settings.nms_radius_px).keypoints[: max(len(label.keypoints), 30)]
        rows.append(figure_adaptation(image, single, heatmap, label.keypoints, classical))
    path = storage.join(labels.root, "figures", f"round_{labels.round}.png")
    save_png(path, stack(rows))
    return path
