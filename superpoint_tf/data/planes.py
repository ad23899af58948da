"""Piecewise-planar pairs: a second view of a scene of planes, composed front to back, and who corresponds to whom.

Each pixel of view 1 is a ray: of the planes' parts that it meets the nearest one is seen. So the correspondences are
exact, and what is hidden is known. Runs in workers, without TensorFlow.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from superpoint_tf.config import PlanesConfig
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.scenes import Scene, draw_scene
from superpoint_tf.geometry.numpy_reference import warp_points_numpy

NOTHING = -1  # of a pixel of view 1 that no plane is seen at


class Cast(NamedTuple):
    """What view 1 sees, pixel by pixel."""

    labels: np.ndarray  # int32 (H, W), which plane; NOTHING
    places: np.ndarray  # float64 (H, W, 2), xy in view 0 of what is seen; NaN where nothing is


class PlanesPair(NamedTuple):
    """Two views of one scene."""

    scene: Scene
    cast: Cast
    image1: np.ndarray  # uint8 (H, W)

    @property
    def filled1(self) -> np.ndarray:
        """Tell which pixels of view 1 show nothing of view 0, bool (H, W): filled from another place."""
        filled: np.ndarray = self.cast.labels == NOTHING
        return filled

    @property
    def flow_0to1(self) -> np.ndarray:
        """Return how far each pixel of view 0 moves, float32 (H, W, 2) xy; NaN where view 1 does not show it."""
        height, width = self.scene.labels.shape
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
        flow: np.ndarray = (self.carry(pixels) - pixels).reshape(height, width, 2).astype(np.float32)
        return flow

    def carry(self, points0: np.ndarray) -> np.ndarray:
        """Return where points xy (N, 2) of view 0 are in view 1, float64 (N, 2).

        NaN where view 1 does not show them: outside of either frame, or one of the four pixels about the place shows
        another plane, so that a bilinear read there would mix two things.
        """
        points = np.asarray(points0, np.float64).reshape(-1, 2)
        labels = read_nearest(self.scene.labels, points, NOTHING)
        homogeneous = np.column_stack([points, np.ones(len(points))])
        mapped = np.einsum("nij,nj->ni", self.scene.homographies[labels], homogeneous)
        with np.errstate(divide="ignore", invalid="ignore"):
            carried = np.where(mapped[:, 2:] > 0, mapped[:, :2] / mapped[:, 2:], np.nan)
        shown = labels != NOTHING
        low = np.floor(np.nan_to_num(carried, nan=-9.0))
        for corner in np.ndindex(2, 2):
            near = np.minimum(low + corner, np.ceil(np.nan_to_num(carried, nan=-9.0)))  # a whole pixel has no neighbour
            shown &= read_nearest(self.cast.labels, near, NOTHING) == labels
        return np.where(shown[:, None], carried, np.nan)


def planes_pair(
    image: np.ndarray, config: PlanesConfig, key: int, number: int, image1: np.ndarray | None = None
) -> PlanesPair:
    """Return the second view of sample `number` of a grey picture uint8 (H, W): a function of these alone.

    With `image1`, the same picture in another light, view 1 is drawn of it.
    """
    scene = draw_scene(image, config, key, number)
    cast = cast_rays(scene)
    return PlanesPair(scene, cast, draw_view(image if image1 is None else image1, cast))


def cast_rays(scene: Scene) -> Cast:
    """Find what each pixel of view 1 sees: of all parts of planes that its ray meets the nearest."""
    height, width = scene.labels.shape
    labels, places = np.full((height, width), NOTHING, np.int32), np.full((height, width, 2), np.nan)
    depths = np.full((height, width), np.inf)
    for number, (homography, inverse_depth) in enumerate(zip(scene.homographies, scene.inverse_depths, strict=True)):
        rows, columns = _seen_box(scene.labels == number, homography)
        y, x = np.mgrid[rows, columns]
        pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        back = np.linalg.inv(homography) @ pixels
        with np.errstate(divide="ignore", invalid="ignore"):
            own = back[:2] / back[2]  # in view 0
            # back = H^-1 p, so H (own, 1) = p / back[2]: w, and with it the depth in view 1, have the sign of back[2].
            depth = 1.0 / (back[2] * (inverse_depth[:2] @ own + inverse_depth[2]))
        hit = (read_nearest(scene.labels, own.T, NOTHING) == number) & (depth > 0) & (back[2] > 0)
        nearer = hit.reshape(x.shape) & (depth.reshape(x.shape) < depths[rows, columns])
        labels[rows, columns][nearer] = number
        depths[rows, columns][nearer] = depth.reshape(x.shape)[nearer]
        places[rows, columns][nearer] = own.T.reshape(*x.shape, 2)[nearer]
    return Cast(labels, places)


def _seen_box(mask: np.ndarray, homography: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of view 1 that hold what the homography makes of a mask's bounding box."""
    height, width = mask.shape
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, right, top, bottom = x[0] - 1, x[-1] + 1, y[0] - 1, y[-1] + 1
    corners = warp_points_numpy(np.array([[left, top], [right, top], [left, bottom], [right, bottom]]), homography)
    if not np.isfinite(corners).all():  # partly behind the camera: its image has no corners
        return slice(0, height), slice(0, width)
    low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    (left, top), (right, bottom) = (np.clip(each, 0, [width, height]).astype(int) for each in (low, high))
    return slice(top, bottom), slice(left, right)


def draw_view(image: np.ndarray, cast: Cast) -> np.ndarray:
    """Draw view 1 of a picture uint8 (H, W); where nothing is seen it shows the picture turned by half a turn."""
    places = np.nan_to_num(cast.places, nan=-1.0).astype(np.float32)
    seen = cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    drawn: np.ndarray = np.where(cast.labels == NOTHING, image[::-1, ::-1], seen)
    return drawn


def corresponding_points(pair: PlanesPair, count: int, key: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw points of view 0, sub-pixel places all over the frame, and where view 1 shows them: float32 (count, 2) each.

    Of four times as many the first `count` that view 1 shows; rows that are missing are NaN in both.
    """
    rng = stream_generator(Stream.DENSE_POINTS, key, number)
    height, width = pair.scene.labels.shape
    points0 = rng.uniform(0.0, 1.0, (4 * count, 2)) * [width - 1, height - 1]
    points1 = pair.carry(points0)
    shown = np.flatnonzero(np.isfinite(points1).all(axis=1))[:count]
    found = np.full((2, count, 2), np.nan, np.float32)
    found[:, : len(shown)] = points0[shown], points1[shown]
    return found[0], found[1]


def read_nearest(labels: np.ndarray, points: np.ndarray, outside: int) -> np.ndarray:
    """Return the labels (N,) of the pixels nearest to points xy (N, 2); `outside` beyond the frame or where NaN."""
    height, width = labels.shape
    with np.errstate(invalid="ignore"):
        nearest = np.floor(points + 0.5)
        inside = ((nearest >= 0) & (nearest < [width, height])).all(axis=1)
    x, y = np.where(inside[:, None], nearest, 0).astype(np.int64).T
    found: np.ndarray = np.where(inside, labels[y, x], outside)
    return found
