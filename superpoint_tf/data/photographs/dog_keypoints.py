"""Keypoints of the difference of Gaussians, with the size and the orientation that patches are cut by."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

_CONTRAST = 0.02  # of SIFT's threshold
_LEAST_DIAMETER_PX = 3.0  # smaller ones are seen by no pixel of another view


class OrientedKeypoints(NamedTuple):
    """Keypoints of one picture."""

    points: np.ndarray  # float32 (N, 2), xy
    diameters: np.ndarray  # float32 (N,), px
    angles: np.ndarray  # float32 (N,), radians from the picture's right towards its down


def dog_keypoints(image: np.ndarray, max_keypoints: int, known: np.ndarray | None = None) -> OrientedKeypoints:
    """Return the strongest keypoints of a grey uint8 image (H, W), strongest first (Lowe, IJCV 2004, by OpenCV).

    None lies where `known`, bool of any (H', W') for the same picture, is False.
    """
    usable = None
    if known is not None and not known.all():
        usable = cv2.resize(known.astype(np.uint8), image.shape[::-1], interpolation=cv2.INTER_NEAREST)
    keypoints = cv2.SIFT.create(contrastThreshold=_CONTRAST).detect(image, usable)
    rows = np.array([(*k.pt, k.size, k.angle, k.response) for k in keypoints], np.float32).reshape(-1, 5)
    rows = rows[rows[:, 2] >= _LEAST_DIAMETER_PX]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")[:max_keypoints]]
    return OrientedKeypoints(rows[:, :2], rows[:, 2], np.deg2rad(rows[:, 3]))
