"""Drawn stereo pairs: a photograph as the left picture, and the right one as random disparities show it.

What the right picture would see behind the edges of things, another picture fills. Both then have their own light and
noise. A pure function of key and number.
"""

from __future__ import annotations

import math

import numpy as np

from superpoint_tf.config import PhotometricConfig
from superpoint_tf.data.photographs.reading import cover_and_crop
from superpoint_tf.data.photometric import worker_change
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.stereo.drawn_disparities import draw_surfaces
from superpoint_tf.data.stereo.forward_warp import find_occluded, forward_warp
from superpoint_tf.data.stereo.stereo_pair import StereoPair

_LEAST_SHARE = 0.25  # of the range of disparities is used at least: some pairs are far, some near


def draw_pair(
    photograph: np.ndarray,
    filler: np.ndarray,
    image_shape: tuple[int, int],
    largest_px: float,
    photometric: PhotometricConfig,
    key: int,
    number: int,
) -> StereoPair:
    """Draw sample `number` of `key` from two pictures uint8 (h, w), which are brought to `image_shape` (H, W).

    The photograph is wider than the frame by the largest disparity, so that the right picture's right edge shows it
    too. Occluded are the points behind others in the right picture, and those left of its frame. With the
    backend `graph` the pictures come as they are: their light is left to the graph of the batch.
    """
    generator = stream_generator(Stream.STEREO, key, number)
    height, width = image_shape
    largest_px *= generator.uniform(_LEAST_SHARE, 1.0)
    wide, _ = cover_and_crop(photograph, (height, width + math.ceil(largest_px)))
    surfaces = draw_surfaces(wide, largest_px, generator)
    warped = forward_warp(wide, surfaces.disparity, surfaces.segments, width)
    disparity = surfaces.disparity[:, :width]
    behind, _ = cover_and_crop(filler, image_shape)
    right = np.where(np.isfinite(warped.disparity), np.rint(warped.picture).astype(np.uint8), behind)
    left, right = (
        worker_change(np.ascontiguousarray(picture), photometric, key, number, view)
        for view, picture in enumerate((wide[:, :width], right))
    )
    return StereoPair(left, right, disparity, find_occluded(disparity, warped.disparity))
