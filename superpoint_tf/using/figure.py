"""The picture of an alignment: both views with their matches, those that fit the homography in another colour."""

from __future__ import annotations

import numpy as np

from superpoint_tf.detection.keypoints import scale_keypoints
from superpoint_tf.drawing.figures import figure_matches
from superpoint_tf.drawing.layout import resize
from superpoint_tf.using.two_views import Alignment

_PANEL_PX = 640  # longest side of either picture in the figure


def draw_alignment(title: str, image0: np.ndarray, image1: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Draw matches between uint8 pictures (H, W[, C]): green inliers, red outliers, blue without a homography."""
    panel0, panel1 = (resize(image, _PANEL_PX / max(image.shape[:2])) for image in (image0, image1))
    return figure_matches(
        title,
        panel0,
        panel1,
        scale_keypoints(alignment.features0.keypoints, image0.shape, panel0.shape),
        scale_keypoints(alignment.features1.keypoints, image1.shape, panel1.shape),
        alignment.matches,
        None if alignment.homography_0to1 is None else alignment.inliers,
        width_px=panel0.shape[1],
        verdict="agree on a homography",
    )
