"""Batches for the detector: single views with the cells that hold keypoints."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import (
    View,
    ViewSettings,
    frame_shape,
    sample_seeds,
    sample_view_homographies,
    warped_view,
)
from superpoint_tf.geometry.cells import cells_valid, keypoints_to_cell_labels, keypoints_to_cell_targets


def detector_batch(batch: TensorBatch, key: int, settings: ViewSettings) -> TensorBatch:
    """Warp pictures and keypoints by one random homography each.

    `batch` is what workers hand over (`Source.render`). Returns `numbers` (B,), `images` float32 (B, H, W, 1),
    `cell_labels` int32 (B, Hc, Wc), or with the targets `bilinear` float32 (B, Hc, Wc, 65), and `cells_valid` bool (B,
    Hc, Wc): all 64 pixels show a known part of the picture.
    """
    image_shape = frame_shape(batch)
    homographies = sample_view_homographies(batch["numbers"], key, settings, image_shape)
    border_px = settings.homography.valid_border_px
    view = warped_view(batch, batch["images"], homographies, image_shape, border_px)
    return {
        "numbers": batch["numbers"],
        "images": view.images,
        "cell_labels": cell_targets(view, sample_seeds(key, Purpose.CELLS0, batch["numbers"]), settings),
        "cells_valid": cells_valid(view.mask),
    }


def cell_targets(view: View, seeds: tf.Tensor, settings: ViewSettings) -> tf.Tensor:
    """Return what the detector is to say of each cell of a view, in the form that `settings.targets` names."""
    image_shape = (int(view.mask.shape[1]), int(view.mask.shape[2]))
    if settings.targets == "bilinear":
        return keypoints_to_cell_targets(view.keypoints, image_shape)
    return keypoints_to_cell_labels(view.keypoints, image_shape, seeds)
