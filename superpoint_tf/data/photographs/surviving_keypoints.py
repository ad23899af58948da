"""Which keypoints of a photograph are found again in turned and zoomed copies of it: LIFT's points, in our data.

The paper's are points of reconstructions, which survived many photographs; copies of one photograph show no change of
light or view, so this is the weaker test.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from superpoint_tf.data.photographs.dog_keypoints import OrientedKeypoints, dog_keypoints
from superpoint_tf.data.random_streams import Stream, stream_generator

_ZOOM = 1.5  # a copy's size is within this factor
_NEAR_SIGMAS, _LIKE = 1.0, math.sqrt(2.0)  # of the keypoint that is found again: its place, and its size by this factor
_MORE = 2  # times as many keypoints are looked for in a copy: an order of strength need not survive


def surviving_keypoints(
    image: np.ndarray, keypoints: OrientedKeypoints, copies: int, key: int, number: int
) -> np.ndarray:
    """Tell which keypoints of a grey uint8 image (H, W) are found in all copies that show them, and in one: bool (N,).

    Each of the `copies` is turned at will and zoomed by up to 1.5 about the middle: a function of the key and of the
    sample's number. Found again means within a sigma, with a size within a factor of the root of 2. With no copies all
    survive.
    """
    found_again = np.ones(len(keypoints.points), bool)
    seen = np.full(len(keypoints.points), copies == 0)
    height, width = image.shape
    for copy in range(copies):
        random = stream_generator(Stream.COPIES, key, number, part=copy)
        angle_deg, zoom = random.uniform(-180.0, 180.0), _ZOOM ** random.uniform(-1.0, 1.0)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, zoom)
        turned = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        places = keypoints.points @ matrix[:, :2].T + matrix[:, 2]
        shown = ((places >= 0) & (places <= (width - 1, height - 1))).all(axis=1)
        there = dog_keypoints(turned, _MORE * max(len(keypoints.points), 1))
        found_again &= ~shown | _found(places, zoom * keypoints.diameters, there)
        seen |= shown
    survivors: np.ndarray = found_again & seen
    return survivors


def _found(places: np.ndarray, diameters: np.ndarray, there: OrientedKeypoints) -> np.ndarray:
    """Tell which places (N, 2) have a keypoint of their size within a sigma, half their diameter: bool (N,)."""
    steps = np.linalg.norm(places[:, np.newaxis] - there.points, axis=2)
    near = steps <= _NEAR_SIGMAS * diameters[:, np.newaxis] / 2
    ratios = there.diameters / diameters[:, np.newaxis]
    like = (ratios <= _LIKE) & (ratios >= 1 / _LIKE)
    return np.asarray((near & like).any(axis=1))
