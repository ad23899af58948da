"""Rigid scenes of planes: a photograph cut into segments, one plane each, and a second camera that looks at them.

Everything is in the frame of the first camera, whose focal length is the longer side of the picture. A plane is the
vector m with m . X = 1 for its points X, so that the inverse depth of pixel x is m . K^-1 x, linear in the pixel. The
second camera sees X at R X + t, and a plane's pixels move by the homography K (R + t m') K^-1 (Hartley and Zisserman
2004, section 13.1). One camera for all planes: the pair is that of a rigid scene, with parallax.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from skimage.segmentation import slic

from superpoint_tf.config import PlanesConfig
from superpoint_tf.data.random_streams import Stream, stream_generator

_COMPACTNESS = 0.1  # of segments, for grey levels in [0, 1]: they follow edges and stay blobs
_BLUR_PX = 1.0
_STEP = 2  # segments are found on half the pixels
_LEAST_MOVE = 0.3  # of the baseline
_AIM = 0.05  # how far from the middle the second camera may aim, in focal lengths
_STEEPEST = 0.5  # change of inverse depth within a segment, of that at its middle


class Scene(NamedTuple):
    """What two cameras see."""

    labels: np.ndarray  # int32 (H, W), which plane each pixel of view 0 shows
    planes: np.ndarray  # float64 (S, 3), the vectors m
    rotation: np.ndarray  # float64 (3, 3), R
    translation: np.ndarray  # float64 (3,), t

    @property
    def homographies(self) -> np.ndarray:
        """Return the homographies float64 (S, 3, 3) of the planes from pixels of view 0 to those of view 1.

        Unscaled: the third coordinate w of a pixel's image is depth in view 1 over depth in view 0.
        """
        camera = camera_matrix(self.labels.shape)
        motions = self.rotation + self.translation[:, None] * self.planes[:, None, :]
        homographies: np.ndarray = camera @ motions @ np.linalg.inv(camera)
        return homographies

    @property
    def inverse_depths(self) -> np.ndarray:
        """Return the rows float64 (S, 3) that give the inverse depth in view 0 of a pixel (x, y, 1)."""
        rows: np.ndarray = self.planes @ np.linalg.inv(camera_matrix(self.labels.shape))
        return rows


def camera_matrix(image_shape: tuple[int, ...]) -> np.ndarray:
    """Return K float64 (3, 3) of pictures (height, width)."""
    height, width = image_shape[:2]
    focal = float(max(height, width))
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def draw_scene(image: np.ndarray, config: PlanesConfig, key: int, number: int) -> Scene:
    """Draw the scene of sample `number`: segments of a grey picture uint8 (H, W), their planes, the second camera."""
    rng = stream_generator(Stream.PLANES, key, number)
    low, high = (math.log(count) for count in config.segments)
    labels = segment(image, round(math.exp(rng.uniform(low, high))))
    planes = _draw_planes(labels, config, rng)
    rotation, translation = _draw_motion(config, rng)
    return Scene(labels, planes, rotation, translation)


def segment(image: np.ndarray, count: int) -> np.ndarray:
    """Cut a grey picture uint8 (H, W) into about `count` segments that follow its edges: int32 (H, W) from 0 on.

    Superpixels (SLIC: Achanta et al. 2012) of the picture at half its size.
    """
    height, width = image.shape
    if count <= 1 or min(height, width) < 2 * _STEP:
        return np.zeros((height, width), np.int32)
    size = (max(width // _STEP, 1), max(height // _STEP, 1))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    found = slic(small, count, _COMPACTNESS, channel_axis=None, start_label=0, sigma=_BLUR_PX)
    labels = cv2.resize(found.astype(np.uint16), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int32)


def _draw_planes(labels: np.ndarray, config: PlanesConfig, rng: np.random.Generator) -> np.ndarray:
    count = int(labels.max()) + 1
    focal = float(max(labels.shape))
    middle = (np.array(labels.shape[::-1]) - 1) / 2
    half_range = math.log(config.depth_ratio) / 2
    inverse_depths = np.exp(rng.uniform(-half_range, half_range, count))
    slopes = rng.uniform(-config.max_slope, config.max_slope, (count, 2))
    planes = np.zeros((count, 3))
    for number, (inverse_depth, slope) in enumerate(zip(inverse_depths, slopes, strict=True)):
        y, x = np.nonzero(labels == number)
        arms = np.stack([x - x.mean(), y - y.mean()], axis=1) / focal
        steepest = np.abs(arms @ slope).max()
        slope = slope * min(1.0, _STEEPEST * inverse_depth / max(steepest, 1e-9))  # the horizon stays outside
        centre = (np.array([x.mean(), y.mean()]) - middle) / focal
        planes[number] = *slope, inverse_depth - slope @ centre
    return planes


def _draw_motion(config: PlanesConfig, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw where the second camera stands; it looks about where the first does, at depth 1, and is rolled."""
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    centre = config.baseline * rng.uniform(_LEAST_MOVE, 1.0) * direction
    sight = np.array([*rng.uniform(-_AIM, _AIM, 2), 1.0]) - centre
    sight /= np.linalg.norm(sight)
    axis = np.cross(sight, [0.0, 0.0, 1.0])
    sine = float(np.linalg.norm(axis))
    turn, _ = cv2.Rodrigues(axis * (math.atan2(sine, sight[2]) / max(sine, 1e-12)))
    roll, _ = cv2.Rodrigues(np.array([0.0, 0.0, math.radians(config.max_angle_deg) * rng.uniform(-1, 1)]))
    rotation = roll @ turn
    return rotation, -rotation @ centre
