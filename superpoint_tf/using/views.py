"""Synthesised views of a picture, turned or tilted, and what is found in them carried back to the picture's pixels.

A network that was trained on upright pictures answers otherwise where a picture is turned or seen aslant. ASIFT (Morel
and Yu, SIAM J. Imaging Sciences 2009) shows it every picture as it would look from elsewhere. Views keep the middle of
the picture in their middle and show all of it; pixel centres are whole numbers in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from superpoint_tf.data.photographs.orientation import turn_angles
from superpoint_tf.detection.keypoints import on_mask
from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import in_frame

Extract = Callable[..., Features]  # of a grey uint8 image (H, W), perhaps with `mask`

_UPRIGHT = np.eye(2)
_TURNS_DEG = range(0, 360, 45)
_TILTS = (math.sqrt(2.0), 2.0)  # how many times narrower a view is
_STEP_DEG = 72.0  # between the directions of a tilt, divided by it (Morel and Yu, section 5)
_BLUR = 0.8  # sigma, where a view is narrower: this times the root of the tilt's square less 1 (section 4)
_ACROSS_PX = 0.3  # sigma of the same blur across: hardly any, but a kernel between the pixels needs it
_EDGE_PX = 4  # of a turned picture nothing nearer to its edge is a keypoint: the edge itself looks like one


def _turn(angle_deg: float) -> np.ndarray:
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.round(turn, 15)  # of a quarter turn whole numbers


def _tilt(factor: float, direction_deg: float) -> np.ndarray:
    """Return the map (2, 2) that makes a picture narrower along a direction and does not turn it."""
    along = _turn(direction_deg)[:, :1]
    return np.eye(2) - (1.0 - 1.0 / factor) * along @ along.T


def _tilts() -> list[np.ndarray]:
    steps = ((tilt, _STEP_DEG / tilt) for tilt in _TILTS)
    return [_UPRIGHT, *(_tilt(tilt, angle) for tilt, step in steps for angle in np.arange(0.0, 180.0 - 1e-9, step))]


class ViewSet(NamedTuple):
    """The views of two pictures: maps (2, 2) of their planes, the first of which leaves all as it is."""

    of_first: list[np.ndarray]
    of_second: list[np.ndarray]

    @property
    def num_extractions(self) -> int:
        """Return how many pictures are looked at: of two pictures as they are, two."""
        return len(self.of_first) + len(self.of_second)


AS_IT_IS = ViewSet([_UPRIGHT], [_UPRIGHT])
VIEWS = {
    "rotations": ViewSet([_UPRIGHT], [_turn(angle) for angle in _TURNS_DEG]),
    "tilts": ViewSet(_tilts(), _tilts()),
}


class SynthesisedView(NamedTuple):
    """A picture as it looks from elsewhere."""

    image: np.ndarray  # uint8 (H', W')
    to_view: np.ndarray  # float64 (3, 3), from xy of the picture to xy of the view
    usable: np.ndarray  # bool (H', W'), what shows the picture, away from its edge and not under its mask


def synthesise(image: np.ndarray, linear: np.ndarray, mask: np.ndarray | None = None) -> SynthesisedView:
    """Map a grey uint8 image (H, W), perhaps with a mask bool (H, W), by a map (2, 2) of its plane about its middle."""
    size = np.array(image.shape[::-1], np.float64)
    width, height = (int(side) for side in np.ceil(np.abs(linear) @ size - 1e-6))
    to_view = np.eye(3)
    to_view[:2, :2] = linear
    to_view[:2, 2] = (np.array([width, height]) - 1) / 2 - linear @ ((size - 1) / 2)

    def warp(pixels: np.ndarray, how: int, border: int) -> np.ndarray:
        return np.asarray(cv2.warpAffine(pixels, to_view[:2], (width, height), flags=how, borderMode=border))

    seen = warp(_blurred(image, linear), cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    shown = warp(np.ones(image.shape, np.uint8), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    usable = cv2.erode(shown, np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), np.uint8)) > 0
    if mask is not None:
        usable &= warp(mask.astype(np.uint8), cv2.INTER_NEAREST, cv2.BORDER_CONSTANT) > 0
    return SynthesisedView(seen, to_view, usable)


def _blurred(image: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Smooth an image along the direction in which a map (2, 2) makes it narrower, so that nothing aliases."""
    _, factors, directions = np.linalg.svd(linear)
    if factors[1] > 1.0 - 1e-9:
        return image
    sigma = _BLUR * math.sqrt(factors[1] ** -2 - 1.0)
    covariance = _ACROSS_PX**2 * np.eye(2) + sigma**2 * np.outer(directions[1], directions[1])
    reach = math.ceil(3 * sigma)
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).astype(np.float64)
    kernel = np.exp(-0.5 * np.einsum("yxi,ij,yxj->yx", steps, np.linalg.inv(covariance), steps))
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def carry_back(features: Features, to_view: np.ndarray) -> Features:
    """Return features of a view in the picture's own pixels; sizes are those of circles of the same area."""
    back = np.linalg.inv(to_view)
    keypoints = features.keypoints.astype(np.float64) @ back[:2, :2].T + back[:2, 2]
    found = features.scaled(keypoints, math.sqrt(abs(np.linalg.det(back[:2, :2]))))
    return found._replace(angles_deg=turn_angles(features.angles_deg, back[:2, :2]))


def extract_view(extract: Extract, image: np.ndarray, linear: np.ndarray, mask: np.ndarray | None = None) -> Features:
    """Extract from a view of a grey uint8 image (H, W); keypoints are in its own pixels, none is under its mask."""
    if np.array_equal(linear, _UPRIGHT):
        given: dict[str, Any] = {} if mask is None else {"mask": mask}
        return extract(image, **given)
    view = synthesise(image, linear, mask)
    found = carry_back(extract(view.image, mask=view.usable), view.to_view)
    kept = in_frame(found.keypoints, image.shape)
    if mask is not None:
        kept &= on_mask(found.keypoints, mask)
    return found.take(kept)
