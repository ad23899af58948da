"""A rectified pair of pictures with what is known of its disparities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class StereoPair(NamedTuple):
    """Two pictures whose rows correspond: the point at x of the left one lies at x - disparity in the right one."""

    left: np.ndarray  # uint8 (H, W), grey
    right: np.ndarray  # uint8 (H, W)
    disparity: np.ndarray  # float32 (H, W) of the left picture, pixels; NaN where it is not known
    occluded: np.ndarray | None = None  # bool (H, W): the right picture does not show the point; None: not known

    @property
    def visible_disparity(self) -> np.ndarray:
        """Return the disparity with NaN also where the point is known to be hidden, float32 (H, W)."""
        if self.occluded is None:
            return self.disparity
        return np.where(self.occluded, np.float32(np.nan), self.disparity)
