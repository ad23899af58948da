"""Which corners can be seen: inside the frame, with enough contrast between their sides in the finished picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_MIN_PROBE_PX = 2.0  # nearer, the camera's blur has mixed the sides
_MAX_PROBE_PX = 4.0  # farther, the neighbouring corner's sides begin
_HALF_GAP_PX = 1.3  # wanted distance of a probe from the edges beside it
_STRAIGHT = np.sin(np.deg2rad(10.0))  # edges nearer to one line than this make no corner


class Corners(NamedTuple):
    """Hold corners that may become labels, and the edges that run out of each.

    points: (N, 2) xy pixels. edge_angles: (N, R) radians in atan2(dy, dx) order, NaN where a corner has fewer than R.
    """

    points: np.ndarray
    edge_angles: np.ndarray

    @staticmethod
    def none() -> Corners:
        """Return no corners."""
        return Corners(np.zeros((0, 2)), np.zeros((0, 2)))


def edge_angles(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the angles (N, R) under which points (N, 2) see ends (N, R, 2); NaN ends give NaN."""
    step = ends - points[:, None]
    return np.arctan2(step[..., 1], step[..., 0])


def visible_keypoints(image: np.ndarray, corners: Corners, min_contrast: float, border_px: float) -> np.ndarray:
    """Return the corners that are labels in a finished picture uint8 (H, W), float32 (N, 2).

    The edges of a corner cut its surroundings into sectors. An edge shows if the sectors on its two sides differ by
    `min_contrast` grey levels, and a corner does if two edges show that do not lie on one straight line.
    """
    height, width = image.shape
    points = corners.points.astype(np.float32)
    inside = ((points >= border_px) & (points <= np.array([width, height]) - 1 - border_px)).all(axis=1)
    points, angles = points[inside], corners.edge_angles[inside]
    if not len(points):
        return np.zeros((0, 2), np.float32)
    angles = np.sort(angles, axis=1)  # NaN last
    after, middles, last = _sectors(angles)
    reach = _HALF_GAP_PX / np.maximum(np.sin(np.minimum(after, np.pi) / 2), 1e-3)
    reach = np.minimum(np.maximum(reach, _MIN_PROBE_PX), _MAX_PROBE_PX)[..., None]
    probes = points[:, None] + reach * np.stack([np.cos(middles), np.sin(middles)], axis=-1)
    greys = _bilinear(image, probes)
    before = np.concatenate([greys[np.arange(len(greys)), last][:, None], greys[:, :-1]], axis=1)
    shows = np.abs(greys - before) >= max(min_contrast, 1e-6)  # NaN compares as False
    bent = np.abs(np.sin(angles[:, :, None] - angles[:, None, :])) > _STRAIGHT
    return points[(shows[:, :, None] & shows[:, None, :] & bent).any(axis=(1, 2))]


def _sectors(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the widths (N, R) of the sectors that follow each edge, their middles (N, R), the last edge (N,)."""
    following = np.full_like(angles, np.nan)
    following[:, :-1] = angles[:, 1:]
    following = np.where(np.isnan(following), angles[:, :1] + 2 * np.pi, following)
    widths = following - angles  # NaN where there is no edge
    return widths, angles + widths / 2, np.isfinite(angles).sum(axis=1) - 1


def _bilinear(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the grey levels at points (..., 2), NaN for NaN; points outside read the frame's edge."""
    height, width = image.shape
    absent = np.isnan(points[..., 0])
    x, y = (
        np.minimum(np.maximum(np.where(absent, 0, points[..., axis]), 0), last - 0.001)
        for axis, last in enumerate((width - 1, height - 1))
    )
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, down = x - column, y - row
    above = image[row, column] * (1 - right) + image[row, column + 1] * right
    below = image[row + 1, column] * (1 - right) + image[row + 1, column + 1] * right
    return np.where(absent, np.nan, above * (1 - down) + below * down)
