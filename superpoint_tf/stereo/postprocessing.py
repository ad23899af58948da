"""From costs to disparities, in MC-CNN's order: aggregation, semi-global matching, left-right check, filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from superpoint_tf.stereo.aggregation import aggregate
from superpoint_tf.stereo.consistency import CORRECT, check_left_right, interpolate
from superpoint_tf.stereo.costs import least_cost, right_volume
from superpoint_tf.stereo.refinement import bilateral_filter, median_filter, refine_subpixel
from superpoint_tf.stereo.semiglobal import Penalties, semiglobal


@dataclass(frozen=True)
class PostProcessing:
    """How costs become disparities (Zbontar and LeCun 2016, section 4)."""

    penalties: Penalties
    arm_px: int = 5  # L1: arms of the crosses are shorter
    arm_difference: float = 0.13  # tau, in deviations of the picture
    before: int = 2  # aggregations before semi-global matching
    after: int = 0  # and after it
    sigma_px: float = 6.0  # of the bilateral filter, and the difference of disparities that it takes for near
    difference_px: float = 1.0


class Disparities(NamedTuple):
    """Disparities of a left picture and what the left-right check said of them before they were filled in."""

    disparity: np.ndarray  # float32 (H, W), pixels
    labels: np.ndarray  # uint8 (H, W): `consistency.CORRECT`, `MISMATCH` or `OCCLUSION`

    @property
    def agreed(self) -> np.ndarray:
        """Return the disparities on which both pictures agree, NaN elsewhere, float32 (H, W)."""
        return np.where(self.labels == CORRECT, self.disparity, np.float32(np.nan))

    @property
    def agreement(self) -> float:
        """Return the share of the pixels on which both pictures agree."""
        return float((self.labels == CORRECT).mean())


def smooth_costs(volume: np.ndarray, left: np.ndarray, right: np.ndarray, settings: PostProcessing) -> np.ndarray:
    """Return the costs (D, H, W) after aggregation and semi-global matching; pictures are standardised (H, W)."""
    for _ in range(settings.before):
        volume = aggregate(volume, left, right, settings.arm_px, settings.arm_difference)
    volume = semiglobal(volume, left, right, settings.penalties)
    for _ in range(settings.after):
        volume = aggregate(volume, left, right, settings.arm_px, settings.arm_difference)
    return volume


def postprocess(volume: np.ndarray, left: np.ndarray, right: np.ndarray, settings: PostProcessing) -> Disparities:
    """Return the disparities of the left picture, of costs (D, H, W).

    The right picture's costs are smoothed for themselves: mirrored, it is the left picture of the mirrored pair.
    """
    mirrored = right_volume(volume)[:, :, ::-1], right[:, ::-1], left[:, ::-1]
    smooth = smooth_costs(volume, left, right, settings)
    other = least_cost(smooth_costs(*mirrored, settings))[:, ::-1]
    own = least_cost(smooth)
    labels = check_left_right(own, other, len(volume))
    disparity = median_filter(refine_subpixel(interpolate(own, labels), smooth))
    return Disparities(bilateral_filter(disparity, settings.sigma_px, settings.difference_px), labels)
