"""Photometric change: what light, lens and sensor do to a picture without moving anything in it (paper section 6).

Two backends draw from the same distribution: imgaug in worker processes, a picture at a time, where it runs, and
TensorFlow in the graph that makes batches. Samples differ between them, as samples of two seeds do.
"""

from __future__ import annotations

import numpy as np

from superpoint_tf.config import PhotometricConfig


def photometric_change(
    image: np.ndarray, config: PhotometricConfig, key: int, number: int, view: int = 0
) -> np.ndarray:
    """Return `image` uint8 (H, W) with every change of `config` applied, in a random order.

    A pure function of its arguments: sample `number` of `key` looks the same in every run, and each of its views gets
    its own change. `image` itself is left as it was. Raises ValueError for another kind of picture, ConfigError for a
    backend that does not run here.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"photometric_change takes a grey uint8 (H, W) picture, got {image.dtype} {image.shape}")
    if not config.enabled or image.size == 0:
        return image.copy()
    if config.backend == "graph":
        from superpoint_tf.data.photometric_graph import change_picture

        return change_picture(image, config, key, number, view)
    config.check_backend("`photometric.backend`")
    from superpoint_tf.data.photometric_imgaug import change_by_imgaug  # imgaug takes a second to import

    return change_by_imgaug(image, config, key, number, view)


def worker_change(image: np.ndarray, config: PhotometricConfig, key: int, number: int, view: int = 0) -> np.ndarray:
    """Return what a worker hands over of `image`: as it is where the change is left to the graph of the batch."""
    if config.backend == "graph":
        return image
    return photometric_change(image, config, key, number, view)
