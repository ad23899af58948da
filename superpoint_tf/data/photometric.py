"""Photometric change: what light, lens and sensor do to a picture without moving anything in it (paper section 6).

Two backends draw from the same distribution: imgaug in worker processes, a picture at a time, and TensorFlow in the
graph that makes batches. Samples differ between them, as samples of two seeds do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from superpoint_tf.config import PhotometricConfig

NUM_ELLIPSES = 20
SHADE_SIDE_PX = 32  # the shade is drawn this small: it is blurred anyway
SHADE_BLUR = (0.08, 0.2)  # sigma, in short sides of the picture
SHADE_AXIS = (0.05, 0.25)  # half axes of an ellipse, in short sides of the picture


class PendingChange(NamedTuple):
    """A photometric change that workers leave to the graph of the batch."""

    photometric: PhotometricConfig
    views: Mapping[str, int]  # arrays of the batch, uint8 (B, H, W), and which view each shows


def pending_change(config: PhotometricConfig, with_pairs: bool) -> PendingChange | None:
    """Return what workers leave to the graph of a batch of `images`, or of those and `images1`; None: nothing."""
    if config.backend != "graph" or not config.enabled:
        return None
    return PendingChange(config, {"images": 0, "images1": 1} if with_pairs else {"images": 0})


def photometric_change(
    image: np.ndarray, config: PhotometricConfig, key: int, number: int, view: int = 0
) -> np.ndarray:
    """Return `image` uint8 (H, W) with every change of `config` applied, in a random order.

    A pure function of its arguments: sample `number` of `key` looks the same in every run, and each of its views gets
    its own change. `image` itself is left as it was. Raises ValueError for another kind of picture.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"photometric_change takes a grey uint8 (H, W) picture, got {image.dtype} {image.shape}")
    if not config.enabled or image.size == 0:
        return image.copy()
    if config.backend == "graph":
        from superpoint_tf.data.photometric_graph import change_picture

        return change_picture(image, config, key, number, view)
    from superpoint_tf.data.photometric_imgaug import change_by_imgaug  # imgaug takes a second to import

    return change_by_imgaug(image, config, key, number, view)


def worker_change(image: np.ndarray, config: PhotometricConfig, key: int, number: int, view: int = 0) -> np.ndarray:
    """Return what a worker hands over of `image`: as it is where the change is left to the graph of the batch."""
    if config.backend == "graph":
        return image
    return photometric_change(image, config, key, number, view)
