"""SuperPoint as people use it: an image in, keypoints with descriptors out, two sets matched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.checkpoints import load_network
from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection import logits_to_heatmap, sample_descriptors
from superpoint_tf.features import Features
from superpoint_tf.keypoints import detect_keypoints
from superpoint_tf.matching import match_descriptors


class SuperPoint:
    """A trained network with its detection settings; a detector alone (MagicPoint) gives no descriptors."""

    def __init__(self, network: tf.keras.Model, with_descriptor: bool) -> None:
        self.network = network
        self.with_descriptor = with_descriptor
        self._forward = tf.function(
            self._predict, input_signature=[tf.TensorSpec((None, None, None, 1), tf.float32)], autograph=False
        )
        descriptor_map, keypoints = tf.TensorSpec((None, None, None), tf.float32), tf.TensorSpec((None, 2), tf.float32)
        self._sample = tf.function(sample_descriptors, input_signature=[descriptor_map, keypoints], autograph=False)

    @classmethod
    def from_pretrained(cls, path: str | Path) -> SuperPoint:
        """Load weights that come with the package by their name, a weights file, a run folder or a checkpoint.

        Raises WeightsError naming the path if nothing is there or the file does not fit.
        """
        network, weights = load_network(path)
        return cls(network, weights.with_descriptor)

    def _predict(self, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        outputs = self.network(images, training=False)
        shape = tf.shape(images)
        heatmap = logits_to_heatmap(outputs["logits"], (shape[1], shape[2]))
        return (heatmap, outputs["descriptors"]) if self.with_descriptor else (heatmap,)

    def heatmap(self, image: Any) -> np.ndarray:
        """Return the probability of a keypoint at every pixel, float32 (H, W)."""
        heatmap: np.ndarray = self._forward(prepare_image(image)[None])[0].numpy()[0]
        return heatmap

    def extract(
        self,
        image: Any,
        max_keypoints: int | None = None,
        detection_threshold: float = 0.015,
        nms_radius_px: int = 4,
        border_px: int = 4,
        subpixel: bool = False,
    ) -> Features:
        """Detect and describe keypoints in one image, strongest first.

        `image` is (H, W), (H, W, 1) or colour (H, W, 3) in RGB order, uint8 or float in [0, 1]. Returns keypoints (N,
        2) xy in pixels, scores (N,), and unit descriptors (N, D), or None from a detector alone. Raises ValueError
        for other input.
        """
        outputs = self._forward(prepare_image(image)[None])
        settings = replace(
            DetectionConfig(),
            threshold=detection_threshold,
            nms_radius_px=nms_radius_px,
            border_px=border_px,
            max_keypoints=2**31 if max_keypoints is None else max_keypoints,
        )
        keypoints, scores = detect_keypoints(outputs[0].numpy()[0], settings, subpixel)
        if not self.with_descriptor:
            return Features(keypoints, scores, None)
        return Features(keypoints, scores, self._sample(outputs[1][0], keypoints).numpy())

    def match(
        self, features0: Features, features1: Features, ratio: float | None = None, max_distance: float | None = None
    ) -> np.ndarray:
        """Match two images' descriptors by mutual nearest neighbour; return index pairs (M, 2)."""
        if features0.descriptors is None or features1.descriptors is None:
            raise ValueError("a detector alone has no descriptors to match; load weights of a joint model")
        return match_descriptors(features0.descriptors, features1.descriptors, ratio, max_distance)


def prepare_image(image: Any) -> tf.Tensor:
    """Return an image as float32 (H, W, 1) in [0, 1]; colour becomes grey by ITU-R 601.

    Raises ValueError for other shapes, other ranges, NaN, or an empty image.
    """
    if image is None:
        raise ValueError("image is None: cv2.imread returns that for a file that is missing or no picture")
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"image has shape {np.shape(image)}; expected (H, W), (H, W, 1) or (H, W, 3), not empty")
    if array.dtype == np.uint8:
        array = array.astype(np.float32) / 255.0
    elif np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
        if not np.isfinite(array).all() or array.min() < 0.0 or array.max() > 1.0:
            raise ValueError("image has float values outside [0, 1] or not finite; divide grey levels by 255")
    else:
        raise ValueError(f"image has dtype {array.dtype}; expected uint8, or float in [0, 1]")
    if array.shape[2] == 3:
        array = array @ np.array([[0.299], [0.587], [0.114]], np.float32)
    return tf.constant(array, tf.float32)
