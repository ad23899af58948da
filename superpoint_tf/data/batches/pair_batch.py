"""Batches of pairs: two views of each picture with their cells, their homography and corresponding keypoints."""

from __future__ import annotations

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.detector_batch import cell_targets
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import ViewSettings, corresponding_points, homography_between, sample_seeds, two_views
from superpoint_tf.geometry.cells import cells_valid


def pair_batch(batch: TensorBatch, key: int, settings: ViewSettings) -> TensorBatch:
    """Make warped pairs: view 0 as it is, view 1 warped (paper section 3.3), or both warped.

    With both, view 0 keeps to the near ranges: what the later part turns and zooms is the second view. Returns
    `numbers`, `images0/1`, `cell_labels0/1`, `cells_valid0/1` shaped as in `detector_batch`, `homography_0to1` float32
    (B, 3, 3), `points0/1` float32 (B, K, 2), corresponding keypoints row by row, NaN where a row is absent or not
    within the valid, known area of both views, and `shift_seeds` int64 (B, 2), stateless seeds of the consistency term.
    """
    view0, view1 = two_views(batch, key, settings)
    numbers = batch["numbers"]
    points0, points1 = corresponding_points(view0, view1)
    return {
        "numbers": numbers,
        "images0": view0.images,
        "images1": view1.images,
        "cell_labels0": cell_targets(view0, sample_seeds(key, Purpose.CELLS0, numbers), settings),
        "cell_labels1": cell_targets(view1, sample_seeds(key, Purpose.CELLS1, numbers), settings),
        "cells_valid0": cells_valid(view0.mask),
        "cells_valid1": cells_valid(view1.mask),
        "homography_0to1": homography_between(view0, view1) if settings.both else view1.homography,
        "points0": points0,
        "points1": points1,
        "shift_seeds": sample_seeds(key, Purpose.SHIFT, numbers),
    }
