"""A network with its settings: a picture of any size in, features in that picture's own pixels out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

import cv2
import numpy as np

import superpoint_tf
from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.inference import FLOAT32
from superpoint_tf.data.photographs.masked_photographs import resize_mask
from superpoint_tf.detection.keypoints import detect_keypoints, scale_keypoints
from superpoint_tf.features import Features
from superpoint_tf.models.dense_model import SuperPoint, check_detects
from superpoint_tf.models.patch_model import SUPPORT
from superpoint_tf.models.precision import load_for_inference
from superpoint_tf.using.extraction_options import DEFAULT_DETECTION


class AnyExtractor(Protocol):
    """What the tools extract with: a picture of any size in, features in that picture's own pixels out."""

    describes: bool  # or a detector alone
    support: float  # side of a patch in diameters of its keypoints
    identity: dict[str, Any]  # equal ones give equal features
    notes: list[str]  # what a user should hear of it

    def __call__(self, image: np.ndarray, mask: np.ndarray | None = None) -> Features:
        """Extract from a grey uint8 image (H, W), where a mask bool (H, W) is True."""
        ...


class Extractor:
    """A network for pictures."""

    support = SUPPORT

    def __init__(
        self,
        weights: str,
        detection: DetectionConfig = DEFAULT_DETECTION,
        resize_px: int | None = None,
        precision: str = FLOAT32,
    ) -> None:
        """Load weights as `SuperPoint.from_pretrained` does; raises WeightsError naming what cannot be used.

        Pictures whose longest side is above `resize_px` are shrunk to it before the network sees them.
        """
        loaded = load_for_inference(weights, precision)
        self.model, self.detection, self.resize_px = SuperPoint(loaded.network, weights), detection, resize_px
        self.notes = [f"{loaded.precision}: {loaded.reason}"] if loaded.reason else []
        check_detects(self.model, weights)
        self.describes = self.model.with_descriptor
        self.identity: dict[str, Any] = {
            "weights_sha256": loaded.weights.fingerprint(),
            **asdict(detection),
            "resize_px": resize_px,
            "superpoint_tf": superpoint_tf.__version__,
        }
        if detection.border_px == DEFAULT_DETECTION.border_px:
            del self.identity["border_px"]  # feature files of before, which had no other, are those of today
        if loaded.precision != FLOAT32:
            self.identity["precision"] = loaded.precision

    def __call__(self, image: np.ndarray, mask: np.ndarray | None = None) -> Features:
        """Extract from a grey uint8 image (H, W); keypoints and sizes are in its pixels whatever `resize_px` says.

        No keypoint lies on a False pixel of a mask bool (H, W). Raises PictureTooLarge, naming the remedy, where the
        memory would not do.
        """
        seen = self.shrink(image)
        usable = None if mask is None else resize_mask(mask, self.shrink)
        found = self.model.extract(seen, self.detection, mask=usable)
        keypoints = scale_keypoints(found.keypoints, seen.shape, image.shape)
        return found.scaled(keypoints, float(np.sqrt(image.size / seen.size)))

    def detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the heatmap of a grey uint8 image that `shrink` returned, its keypoints (N, 2) and scores.

        The heatmap has the size of the image at the largest scale. Keypoints are those of `extract`; errors as above.
        """
        heatmap = self.model.heatmap(image, self.detection.scales, self.detection.phases)
        return heatmap, *detect_keypoints(heatmap, self.detection, image.shape, self.model.score_map.window_px)

    def shrink(self, image: np.ndarray) -> np.ndarray:
        """Return what the network is to see of pixels (H, W[, C])."""
        return shrink(image, self.resize_px)


def shrink(image: np.ndarray, limit: int | None) -> np.ndarray:
    """Return pixels (H, W[, C]), uint8 or float32, as they are, or shrunk by area to at most `limit` pixels a side."""
    longest = max(image.shape[:2])
    if limit is not None and longest > limit:
        height, width = (max(1, round(side * limit / longest)) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return image
