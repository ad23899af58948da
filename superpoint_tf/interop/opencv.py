"""OpenCV's keypoints in and out, and objects with the methods of `cv2.Feature2D` for Python callers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from superpoint_tf.config import DetectionConfig
from superpoint_tf.features import NO_ANGLE, Features
from superpoint_tf.models.dense_model import ALL_KEYPOINTS, SuperPoint, choose_detection
from superpoint_tf.models.images import prepare_mask
from superpoint_tf.models.patch_model import SUPPORT, PatchModel
from superpoint_tf.systems import SCORES


def to_cv_keypoints(features: Features, size_px: float = 8.0) -> list[cv2.KeyPoint]:
    """Return keypoints as OpenCV's, in their order; both count pixels from the centre of the top-left one.

    Where the features have no sizes, as SuperPoint's, `size_px` is the diameter, by default a cell's side; without
    angles these are -1.
    """
    count = len(features.keypoints)
    sizes = np.full(count, size_px) if features.sizes is None else features.sizes
    angles = np.full(count, NO_ANGLE) if features.angles_deg is None else features.angles_deg
    rows = np.column_stack([features.keypoints.reshape(-1, 2), sizes, angles, features.scores]).tolist()
    return [cv2.KeyPoint(*row) for row in rows]


def from_cv_keypoints(keypoints: Sequence[cv2.KeyPoint], descriptors: np.ndarray | None = None) -> Features:
    """Return OpenCV's keypoints and descriptors (N, D), if given, as features, strongest response first."""
    found = _features(keypoints)
    if descriptors is not None and len(descriptors) != len(keypoints):
        raise ValueError(f"{len(descriptors)} descriptors for {len(keypoints)} keypoints; expected one each")
    return found._replace(descriptors=descriptors).take(np.argsort(-found.scores, kind="stable"))


class OpenCVSuperPoint:
    """SuperPoint with the methods of `cv2.Feature2D`, so that code written for SIFT takes it in Python.

    As there images are grey, BGR or BGRA, masks uint8 or bool, 0 where nothing is to be found, and without keypoints
    descriptors are None.
    It is no subclass: OpenCV's C++ code would call methods that a Python object cannot give it, and crash.
    """

    def __init__(self, model: SuperPoint, detection: DetectionConfig = ALL_KEYPOINTS, **changes: Any) -> None:
        """Wrap a model; `detection` and `changes` are those of `SuperPoint.extract`."""
        self._model, self._detection = model, choose_detection(detection, changes)

    def detect(self, image: np.ndarray, mask: np.ndarray | None = None) -> tuple[cv2.KeyPoint, ...]:
        """Return the keypoints of an image; where `mask` (H, W) is 0 none is kept."""
        return self.detectAndCompute(image, mask)[0]

    def compute(
        self, image: np.ndarray, keypoints: Sequence[cv2.KeyPoint]
    ) -> tuple[tuple[cv2.KeyPoint, ...], np.ndarray | None]:
        """Return the keypoints as given and their descriptors float32 (N, D), None without any."""
        looks = self._detection.scales, self._detection.phases
        descriptors = self._model.describe(_to_rgb(image), _features(keypoints).keypoints, *looks)
        return tuple(keypoints), _or_none(descriptors)

    def detectAndCompute(
        self, image: np.ndarray, mask: np.ndarray | None = None
    ) -> tuple[tuple[cv2.KeyPoint, ...], np.ndarray | None]:
        """Return keypoints and descriptors float32 (N, D), None without any or from a detector alone.

        Raises ValueError for an image that `SuperPoint.extract` refuses or a mask of another shape.
        """
        found = self._model.extract(_to_rgb(image), self._detection, mask=mask)
        return tuple(to_cv_keypoints(found)), _or_none(found.descriptors)

    def descriptorSize(self) -> int:
        """Return the numbers of a descriptor, 0 for a detector alone."""
        return int(self._model.network.output["descriptors"].shape[-1]) if self._model.with_descriptor else 0

    def descriptorType(self) -> int:
        """Return OpenCV's type of them, float32."""
        return int(cv2.CV_32F)

    def defaultNorm(self) -> int:
        """Return the norm for `cv2.BFMatcher`: Euclidean."""
        return int(cv2.NORM_L2)

    def empty(self) -> bool:
        """Return False: there is a network."""
        return False

    def getDefaultName(self) -> str:
        """Return the name that OpenCV would store."""
        return "Feature2D.SuperPoint"


class OpenCVPatchDescriptor:
    """A patch system with the methods of `cv2.Feature2D`: it describes keypoints of any detector of OpenCV.

    It is no subclass, for the reason of `OpenCVSuperPoint`, and takes and gives what that does.
    """

    def __init__(self, model: PatchModel, detector: cv2.Feature2D | None = None, support: float = SUPPORT) -> None:
        """Wrap a model; `detector` is what `detect` calls, by default SIFT's, `support` that of `PatchModel.describe`.

        Raises ValueError for a system that gives scores of pairs.
        """
        if model.gives == SCORES:
            raise ValueError(f"{model.system} gives scores of pairs, no descriptors; take a system of vectors: hardnet")
        self._model, self._support = model, support
        self._detector = cv2.SIFT.create() if detector is None else detector

    def detect(self, image: np.ndarray, mask: np.ndarray | None = None) -> tuple[cv2.KeyPoint, ...]:
        """Return the keypoints that the detector finds in an image, none where `mask` is 0."""
        usable = prepare_mask(mask, np.shape(image))
        return tuple(self._detector.detect(image, None if usable is None else usable.astype(np.uint8)))

    def compute(
        self, image: np.ndarray, keypoints: Sequence[cv2.KeyPoint]
    ) -> tuple[tuple[cv2.KeyPoint, ...], np.ndarray | None]:
        """Return the keypoints as given and their descriptors (N, D), float32, or uint8 bit strings; None without any.

        Raises ValueError for an image that `SuperPoint.extract` refuses.
        """
        descriptors = self._model.describe(_to_rgb(image), _features(keypoints), self._support)
        return tuple(keypoints), _or_none(descriptors)

    def detectAndCompute(
        self, image: np.ndarray, mask: np.ndarray | None = None
    ) -> tuple[tuple[cv2.KeyPoint, ...], np.ndarray | None]:
        """Do `detect` and `compute`."""
        return self.compute(image, self.detect(image, mask))

    def descriptorSize(self) -> int:
        """Return the numbers, or bytes, of a descriptor."""
        return self._model.dimension // 8 if self._model.binary else self._model.dimension

    def descriptorType(self) -> int:
        """Return OpenCV's type of them."""
        return int(cv2.CV_8U if self._model.binary else cv2.CV_32F)

    def defaultNorm(self) -> int:
        """Return the norm for `cv2.BFMatcher`."""
        return int(cv2.NORM_HAMMING if self._model.binary else cv2.NORM_L2)

    def empty(self) -> bool:
        """Return False: there is a network."""
        return False

    def getDefaultName(self) -> str:
        """Return the name that OpenCV would store."""
        return f"Feature2D.{self._model.system}"


def _features(keypoints: Sequence[cv2.KeyPoint]) -> Features:
    """Return OpenCV's keypoints in their order."""
    rows = np.array([(*k.pt, k.response, k.size, k.angle) for k in keypoints], np.float32).reshape(-1, 5)
    return Features(rows[:, :2], rows[:, 2], None, rows[:, 3], rows[:, 4])


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """Turn OpenCV's order of colours around, without opacity; anything else is for `prepare_image` to judge."""
    colour = image is not None and np.ndim(image) == 3 and np.shape(image)[2] in (3, 4)
    return np.ascontiguousarray(np.asarray(image)[..., 2::-1]) if colour else image


def _or_none(descriptors: np.ndarray | None) -> np.ndarray | None:
    """Return descriptors as OpenCV does: None where there is no keypoint."""
    return descriptors if descriptors is not None and len(descriptors) else None
