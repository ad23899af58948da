"""A network with its settings: a picture of any size in, features in that picture's own pixels out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

import superpoint_tf
from superpoint_tf.detection.keypoints import detect_keypoints, scale_keypoints
from superpoint_tf.features import Features
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.networks.weights import load_network
from superpoint_tf.using.extraction_settings import ExtractionSettings


class Extractor:
    """What the tools extract with."""

    def __init__(self, weights: str, settings: ExtractionSettings) -> None:
        """Load weights as `SuperPoint.from_pretrained` does; raises WeightsError naming what cannot be used."""
        network, loaded = load_network(weights)
        self.model, self.settings = SuperPoint(network), settings
        self.identity: dict[str, Any] = {
            "weights_sha256": loaded.fingerprint(),
            **asdict(settings),
            "superpoint_tf": superpoint_tf.__version__,
        }

    def __call__(self, image: np.ndarray) -> Features:
        """Extract from a grey uint8 image (H, W); keypoints are in its pixels whatever `resize_px` says.

        Raises PictureTooLarge, naming the remedy, where the memory would not do.
        """
        settings, seen = self.settings, self.shrink(image)
        found = self.model.extract(
            seen,
            settings.max_keypoints,
            settings.threshold,
            settings.nms_radius_px,
            subpixel=settings.subpixel,
            scales=settings.scales,
            phases=settings.phases,
        )
        keypoints = scale_keypoints(found.keypoints, seen.shape, image.shape)
        return found._replace(keypoints=keypoints.astype(np.float32))

    def detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the heatmap of a grey uint8 image that `shrink` returned, its keypoints (N, 2) and scores.

        The heatmap has the size of the image at the largest scale. Keypoints are those of `extract`; errors as above.
        """
        heatmap = self.model.heatmap(image, self.settings.scales, self.settings.phases)
        return heatmap, *detect_keypoints(heatmap, self.settings.detection, self.settings.subpixel, image.shape)

    def shrink(self, image: np.ndarray) -> np.ndarray:
        """Return what the network is to see of uint8 (H, W[, C]): itself, or shrunk to at most `resize_px` a side."""
        longest, limit = max(image.shape[:2]), self.settings.resize_px
        if limit is not None and longest > limit:
            height, width = (max(1, round(side * limit / longest)) for side in image.shape[:2])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return image
