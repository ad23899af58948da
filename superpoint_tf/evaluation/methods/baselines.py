"""The classical detectors and descriptors of OpenCV as extractors, with one set of settings for every table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from superpoint_tf.evaluation.methods.opencv_algorithms import opencv_algorithm
from superpoint_tf.features import Features

MIN_CORNER_RESPONSE = 1e-7  # of Harris and Shi-Tomasi on an 8-bit image: keeps flat areas from being all local maxima
CORNER_BLOCK_PX = 4


def fast(image: np.ndarray) -> Features:
    """Detect FAST corners (threshold 10) in a grey uint8 image (H, W); no descriptors."""
    found = _strongest_first(cv2.FastFeatureDetector.create(threshold=10).detect(image, None))
    return found._replace(sizes=None, angles_deg=None)  # every one is of 7 px and points nowhere


def harris(image: np.ndarray) -> Features:
    """Detect Harris corners (block 4, k .04) as 3x3 local maxima in a grey uint8 image (H, W); no descriptors."""
    return _local_maxima(cv2.cornerHarris(image, CORNER_BLOCK_PX, 3, 0.04))


def shi_tomasi(image: np.ndarray) -> Features:
    """Detect Shi-Tomasi corners (block 4) as 3x3 local maxima in a grey uint8 image (H, W); no descriptors."""
    return _local_maxima(cv2.cornerMinEigenVal(image, CORNER_BLOCK_PX, ksize=3))


def sift(image: np.ndarray) -> Features:
    """Extract SIFT (contrast threshold .01, any number) from a grey uint8 image (H, W)."""
    return _described(cv2.SIFT.create(contrastThreshold=0.01), image)


def root_sift(image: np.ndarray) -> Features:
    """Extract SIFT with the square root of L1-normalised descriptors (Arandjelovic and Zisserman, 2012)."""
    features = sift(image)
    assert features.descriptors is not None  # sift always describes
    total = np.maximum(features.descriptors.sum(axis=1, keepdims=True), 1e-12)
    return features._replace(descriptors=np.sqrt(features.descriptors / total))


def orb(image: np.ndarray) -> Features:
    """Extract ORB (at most 4000, FAST threshold 5) from a grey uint8 image (H, W); descriptors are bit strings."""
    return _described(cv2.ORB.create(nfeatures=4000, fastThreshold=5), image)


def akaze(image: np.ndarray) -> Features:
    """Extract AKAZE (threshold 1e-4) from a grey uint8 image (H, W); descriptors are bit strings."""
    return _described(opencv_algorithm("AKAZE").create(threshold=1e-4), image)


CLASSICAL: dict[str, Callable[[np.ndarray], Features]] = {
    "FAST": fast,
    "Harris": harris,
    "Shi-Tomasi": shi_tomasi,
    "SIFT": sift,
    "RootSIFT": root_sift,
    "ORB": orb,
    "AKAZE": akaze,
}

# Sides of patches for patch descriptors, in diameters, where they are not `models.patch_model.SUPPORT`: the diameter of
# ORB's keypoints is the side of the patch that its own descriptor sees.
SUPPORTS = {"ORB": 1.0}


def _local_maxima(response: np.ndarray) -> Features:
    peaks = (response == cv2.dilate(response, np.ones((3, 3), np.uint8))) & (response > MIN_CORNER_RESPONSE)
    y, x = np.nonzero(peaks)
    return _sorted(np.stack([x, y], axis=1), response[y, x])


def _described(extractor: Any, image: np.ndarray) -> Features:
    found, descriptors = extractor.detectAndCompute(image, None)
    if descriptors is None:  # nothing found
        kind = np.float32 if extractor.descriptorType() == cv2.CV_32F else np.uint8
        descriptors = np.zeros((0, extractor.descriptorSize()), kind)
    return _strongest_first(found, descriptors)


def _strongest_first(found: Sequence[cv2.KeyPoint], descriptors: np.ndarray | None = None) -> Features:
    rows = np.array([(*k.pt, k.response, k.size, k.angle) for k in found], np.float32).reshape(-1, 5)
    return _sorted(rows[:, :2], rows[:, 2], descriptors, rows[:, 3], rows[:, 4])


def _sorted(
    keypoints: ArrayLike,
    scores: ArrayLike,
    descriptors: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
    angles_deg: np.ndarray | None = None,
) -> Features:
    """Sort by score; ties by row, then column, so that no order internal to OpenCV decides."""
    xy = np.asarray(keypoints, np.float32).reshape(-1, 2)
    strength = np.asarray(scores, np.float32)
    found = Features(xy, strength, descriptors, sizes, angles_deg)
    return found.take(np.lexsort((xy[:, 0], xy[:, 1], -strength)))
