"""The features of a pair of views under a protocol, and what several measures are computed from, each once."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from superpoint_tf.config import EvaluationSection
from superpoint_tf.evaluation import metrics
from superpoint_tf.features import Features
from superpoint_tf.features.matching import match_descriptors


@dataclass(frozen=True)
class PairProtocol:
    """What a number over image pairs depends on besides the method."""

    image_shape: tuple[int, int]  # (height, width)
    max_keypoints: int
    nms_radius_px: int
    distance_px: float = 3.0  # a keypoint's partner, or a match, is right within this
    ransac_px: float = 3.0

    @classmethod
    def of(cls, section: EvaluationSection) -> PairProtocol:
        """Take size, budget, suppression and distance from a config's section."""
        return cls(section.image_shape, section.num_keypoints, section.nms_radius_px, section.distance_px)

    def __str__(self) -> str:
        height, width = self.image_shape
        return f"{height}x{width}, {self.max_keypoints} keypoints, NMS {self.nms_radius_px} px"


DETECTOR_PROTOCOL = PairProtocol((240, 320), max_keypoints=300, nms_radius_px=4)
MATCHING_PROTOCOL = PairProtocol((480, 640), max_keypoints=1000, nms_radius_px=8)
PRESETS = {"240x320": DETECTOR_PROTOCOL, "480x640": MATCHING_PROTOCOL}
"""The paper's two settings: repeatability at the first, descriptors and homographies at the second."""


@dataclass(frozen=True)
class MeasuredPair:
    """The features of both views of a pair, and what several measures are computed from, each once.

    Features are suppressed, strongest first and before any budget. Descriptors are needed for the strongest
    `protocol.max_keypoints` alone, so there may be fewer of them than keypoints.
    """

    features: tuple[Features, Features]
    homography_0to1: np.ndarray
    protocol: PairProtocol

    @property
    def truth(self) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the true homography and the (height, width) of the frames."""
        return self.homography_0to1, self.protocol.image_shape

    @functools.cached_property
    def partner_distances(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances to the nearest keypoint of the other view, as `metrics.partner_distances` does."""
        keypoints0, keypoints1 = (features.keypoints for features in self.features)
        return metrics.partner_distances(keypoints0, keypoints1, *self.truth, self.protocol.max_keypoints)

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the keypoints of each view, within the budget."""
        keypoints0, keypoints1 = (features.keypoints[: self.protocol.max_keypoints] for features in self.features)
        return keypoints0, keypoints1

    @property
    def descriptors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the descriptors of `points`; raises ValueError if there are too few."""
        descriptors0, descriptors1 = map(self._described, self.features, self.points)
        return descriptors0, descriptors1

    @staticmethod
    def _described(features: Features, points: np.ndarray) -> np.ndarray:
        descriptors, count = features.descriptors, len(points)
        assert descriptors is not None  # the caller asked only methods that describe
        if len(descriptors) < count:
            raise ValueError(f"{len(descriptors)} descriptors for the strongest {count} keypoints; pass one each")
        return descriptors[:count]

    @functools.cached_property
    def matches(self) -> np.ndarray:
        """Return the mutual nearest neighbours (M, 2) of the descriptors."""
        return match_descriptors(*self.descriptors)

    @functools.cached_property
    def matching_accuracy(self) -> np.ndarray:
        """Return the MMA at 1 .. 10 px."""
        return metrics.mean_matching_accuracy(metrics.match_errors(*self.points, self.matches, self.homography_0to1))

    @functools.cached_property
    def estimated_homography(self) -> np.ndarray | None:
        """Return the homography that the matches give by RANSAC."""
        points0, points1 = (points[self.matches[:, view]] for view, points in enumerate(self.points))
        return estimate_homography(points0, points1, self.protocol.ransac_px)


def estimate_homography(points0: np.ndarray, points1: np.ndarray, ransac_px: float = 3.0) -> np.ndarray | None:
    """Return the homography (3, 3) of matched points (M, 2) by RANSAC, or None if there is no model.

    OpenCV's RANSAC seeds a generator of its own in every call, so equal points give equal bits whatever else ran.
    """
    if len(points0) < 4:
        return None
    estimated, _ = cv2.findHomography(points0, points1, cv2.RANSAC, ransac_px)
    return None if estimated is None else np.asarray(estimated, np.float64)
