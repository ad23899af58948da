"""Random disparities of a photograph: planes, one for each of its segments, or one smooth surface."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

_SEGMENTS = (3, 40)  # log-uniform
_SMOOTH_SHARE = 0.25  # of the pictures are one smooth surface
_SLOPE_X, _SLOPE_Y = 0.15, 0.25  # disparity a pixel: walls and floors, far from folding over at 1
_BUMP_PX = 2.0  # deviation of what bends a surface
_BUMP_SIDE_PX = 48  # apart lie the bumps
_SEED_RADIUS_PX = 2


class Surfaces(NamedTuple):
    """What each pixel of a picture shows, and how far it moves."""

    segments: np.ndarray  # int32 (H, W): pixels of one number are one surface without a step
    disparity: np.ndarray  # float32 (H, W), pixels, from 0 to the largest


def draw_surfaces(photograph: np.ndarray, largest_px: float, generator: np.random.Generator) -> Surfaces:
    """Draw disparities of a photograph uint8 (H, W); steps lie along its edges, as those of things do."""
    shape = photograph.shape
    smooth = generator.random() < _SMOOTH_SHARE
    segments = np.zeros(shape, np.int32) if smooth else _segment(photograph, generator)
    count = int(segments.max()) + 1
    y, x = np.indices(shape, np.float32)
    offsets = generator.uniform(0.0, largest_px, count)
    slopes_x = generator.uniform(-_SLOPE_X, _SLOPE_X, count)
    slopes_y = generator.uniform(-_SLOPE_Y, _SLOPE_Y, count)
    centres_x, centres_y = (_means(segments, axis, count) for axis in (x, y))
    plane = offsets[segments] + slopes_x[segments] * (x - centres_x[segments])
    plane += slopes_y[segments] * (y - centres_y[segments])
    if generator.random() < 0.5:
        plane += _bumps(shape, generator)
    return Surfaces(segments, np.clip(plane, 0.0, largest_px).astype(np.float32))


def _segment(photograph: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Grow segments from random seeds until they meet at edges of the picture (watershed), int32 (H, W) from 0."""
    height, width = photograph.shape
    low, high = np.log(_SEGMENTS)
    count = int(np.exp(generator.uniform(low, high)))
    markers = np.zeros((height, width), np.int32)
    for number, (x, y) in enumerate(generator.uniform((0, 0), (width, height), (count, 2)).astype(int).tolist()):
        cv2.circle(markers, (x, y), _SEED_RADIUS_PX, (number + 1,), -1)
    smooth = cv2.GaussianBlur(photograph, (0, 0), 1.5)
    cv2.watershed(np.dstack([smooth] * 3), markers)
    return _fill_lines(markers)


def _fill_lines(markers: np.ndarray) -> np.ndarray:
    """Give the lines between segments, -1, to a neighbour; return segments numbered from 0."""
    unknown = (markers <= 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    names = np.zeros(int(nearest.max()) + 1, np.int32)
    names[nearest[unknown == 0]] = markers[unknown == 0]
    return np.unique(names[nearest], return_inverse=True)[1].reshape(markers.shape).astype(np.int32)


def _means(segments: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    sums = np.bincount(segments.ravel(), values.ravel(), count)
    return sums / np.maximum(np.bincount(segments.ravel(), minlength=count), 1)


def _bumps(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return a smooth random surface of mean 0, float32 (H, W)."""
    height, width = shape
    coarse = generator.normal(0.0, _BUMP_PX, (height // _BUMP_SIDE_PX + 3, width // _BUMP_SIDE_PX + 3))
    grown = cv2.resize(
        coarse.astype(np.float32), None, fx=_BUMP_SIDE_PX, fy=_BUMP_SIDE_PX, interpolation=cv2.INTER_CUBIC
    )
    return grown[:height, :width]
