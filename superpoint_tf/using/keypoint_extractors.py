"""Keypoints of any detector, described by its own or by a patch system: what `--keypoints` and `--descriptor` name."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

import superpoint_tf
from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.inference import FLOAT32
from superpoint_tf.data.photographs.masked_photographs import resize_mask
from superpoint_tf.detection.keypoints import on_mask, scale_keypoints
from superpoint_tf.detection.suppression import suppress_keypoints
from superpoint_tf.evaluation.methods.baselines import CLASSICAL, SUPPORTS
from superpoint_tf.features import Features
from superpoint_tf.models.patch_model import SUPPORT, load_patch_model
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.systems import SCORES, SYSTEMS, VECTORS
from superpoint_tf.using.extraction_options import CLASSICAL_KEYPOINTS, check_keypoints
from superpoint_tf.using.extractor import AnyExtractor, Extractor, shrink

_DETECTOR_SETTINGS = ("max_keypoints", "nms_radius_px")  # of those of networks, what applies to any detector


class ClassicalExtractor:
    """A detector of OpenCV, with its own descriptors if it has any."""

    def __init__(self, name: str, detection: DetectionConfig, resize_px: int | None = None) -> None:
        """Take a row of CLASSICAL; of `detection` its suppression and its number of keypoints apply."""
        self._extract, self.detection, self.resize_px = CLASSICAL[name], detection, resize_px
        self.describes = self._extract(np.zeros((64, 64), np.uint8)).descriptors is not None
        self.support, self.notes = SUPPORTS.get(name, SUPPORT), list[str]()
        settings = asdict(detection)
        self.identity: dict[str, Any] = {
            "keypoints": name,
            **{setting: settings[setting] for setting in _DETECTOR_SETTINGS},
            "resize_px": resize_px,
            "opencv": cv2.__version__,
            "superpoint_tf": superpoint_tf.__version__,
        }

    def __call__(self, image: np.ndarray, mask: np.ndarray | None = None) -> Features:
        """Extract from a grey uint8 image (H, W); keypoints and sizes are in its pixels whatever `resize_px` says.

        No keypoint lies on a False pixel of a mask bool (H, W).
        """
        seen = shrink(image, self.resize_px)
        found = self._extract(seen)
        found = found.take(suppress_keypoints(found.keypoints, found.scores, self.detection.nms_radius_px))
        if mask is not None:
            usable = resize_mask(mask, lambda pixels: shrink(pixels, self.resize_px))
            found = found.take(on_mask(found.keypoints, usable))
        found = found.take(slice(self.detection.max_keypoints))
        keypoints = scale_keypoints(found.keypoints, seen.shape, image.shape)
        return found.scaled(keypoints, float(np.sqrt(image.size / seen.size)))


class PatchExtractor:
    """Keypoints of a detector, described by a patch system."""

    describes = True

    def __init__(self, keypoints: AnyExtractor, descriptor: str) -> None:
        """Load a patch system; raises WeightsError for weights of another, ValueError for one that gives scores."""
        self._keypoints = keypoints
        self.model, weights = load_patch_model(descriptor)
        if self.model.gives == SCORES:
            raise ValueError(
                f"--descriptor {descriptor}: {self.model.system} compares patches pair by pair and gives no vectors to "
                "match; name a system of vectors, such as hardnet (in Python: PatchModel.compare)"
            )
        self.support, self.notes = keypoints.support, keypoints.notes
        self.identity: dict[str, Any] = {
            **keypoints.identity,
            "descriptor_sha256": weights.fingerprint(),
            "support": self.support,
        }

    def __call__(self, image: np.ndarray, mask: np.ndarray | None = None) -> Features:
        """Detect in a grey uint8 image (H, W), perhaps shrunk, and describe patches of the image itself."""
        found = self._keypoints(image, mask)
        return found._replace(descriptors=self.model.describe(image, found, self.support))


def open_extractor(
    weights: str,
    keypoints: str | None,
    descriptor: str | None,
    detection: DetectionConfig,
    resize_px: int | None,
    precision: str = FLOAT32,
) -> AnyExtractor:
    """Return what the tools extract with: a network, or what `--keypoints` and `--descriptor` name.

    Raises WeightsError naming what cannot be used, ValueError for names that do not go together.
    """
    if keypoints is None:
        _check_describes_pictures("--weights", weights)
        if descriptor is not None:
            raise ValueError(f"--descriptor {descriptor}: describes patches: name keypoints, --keypoints sift")
        return Extractor(weights, detection, resize_px, precision)
    if name := CLASSICAL_KEYPOINTS.get(keypoints.lower()):
        found: AnyExtractor = ClassicalExtractor(name, detection, resize_px)
    else:
        check_keypoints(keypoints)
        _check_describes_pictures("--keypoints", keypoints)
        found = Extractor(keypoints, detection, resize_px, precision)
    return found if descriptor is None else PatchExtractor(found, descriptor)


def _check_describes_pictures(option: str, weights: str) -> None:
    system = load_weights(weights).network.system
    if SYSTEMS[system].gives in (VECTORS, SCORES):
        what = f"--keypoints sift --descriptor {weights}"
        raise ValueError(f"{option} {weights}: {system} describes patches: name keypoints, {what}")
