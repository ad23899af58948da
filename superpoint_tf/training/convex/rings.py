"""Candidates for pooling: Gaussian regions in rings about the middle of a patch, symmetric as the square is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from superpoint_tf.config import ConvexSection

_MARGIN_PX = 2.0  # from the outermost centre to the edge
_WINDOW = 3.0  # half side of a region, in deviations
_DEVIATIONS_PX = (0.5, 8.0)


class Ring(NamedTuple):
    """Gaussian regions whose centres are the images of one point under the symmetries of the square."""

    radius_px: float
    angle_deg: float  # of the point, 0 to 45: from the axis to the diagonal
    deviation_px: float


def candidate_rings(settings: ConvexSection, side_px: int) -> list[Ring]:
    """Return all combinations of radii, angles and deviations; of radius 0 one angle, since all are the same.

    Radii lie evenly from 0 to 2 pixels before the edge, angles evenly from 0 to 45 degrees, deviations evenly in the
    logarithm from .5 to 8 pixels. (Simonyan et al., PAMI 2014, have 32 x 5 x 32 of them.)
    """
    radii = np.linspace(0.0, side_px / 2 - _MARGIN_PX, settings.radii)
    angles = np.linspace(0.0, 45.0, settings.angles)
    deviations = np.geomspace(*_DEVIATIONS_PX, settings.deviations)
    return [
        Ring(float(radius), float(angle), float(deviation))
        for deviation in deviations
        for radius in radii
        for angle in (angles if radius else angles[:1])
    ]


def ring_pooling(ring: Ring, side_px: int) -> np.ndarray:
    """Return the regions of a ring as weights (N, side * side) of sum 1, row by row of the patch; N is 1, 4 or 8."""
    regions = []
    for x, y in _centres(ring):
        across, down = (_gaussian(side_px, centre, ring.deviation_px) for centre in (x, y))
        regions.append(np.outer(down, across).ravel())
    return np.stack(regions).astype(np.float32)


def _centres(ring: Ring) -> np.ndarray:
    """Return the different centres xy (N, 2), relative to the middle."""
    angle = np.radians(ring.angle_deg)
    x, y = ring.radius_px * np.cos(angle), ring.radius_px * np.sin(angle)
    images = [(a * p, b * q) for p, q in ((x, y), (y, x)) for a in (1, -1) for b in (1, -1)]
    return np.unique(np.round(images, 6) + 0.0, axis=0)  # + 0: no -0 beside 0


def _gaussian(side_px: int, centre: float, deviation: float) -> np.ndarray:
    """Return weights of sum 1 along one axis, within three deviations and the patch, of at least the nearest pixel."""
    apart = np.abs(np.arange(side_px) - (side_px - 1) / 2 - centre)
    within = apart <= max(_WINDOW * deviation, apart.min())
    weights = np.where(within, np.exp(-0.5 * np.square(apart / deviation)), 0.0)
    return weights / weights.sum()
