"""Which window of a picture's grey levels is spread over all that a network sees: the rules of `stretch`."""

from __future__ import annotations

import math
import reprlib

NO_STRETCH = "none"
PERCENTILE = "percentile"  # the window of each picture is its own


def fixed_window(stretch: str) -> tuple[float, float] | None:
    """Return the window (low, high) of `LOW,HIGH`, None for the other words; raises ValueError for anything else."""
    if stretch in (NO_STRETCH, PERCENTILE):
        return None
    try:
        low, high = (float(part) for part in stretch.split(","))
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"stretch: {reprlib.repr(stretch)}; give {NO_STRETCH}, {PERCENTILE}, or LOW,HIGH in the files' own grey "
            "levels, such as 7600,8620"
        )
    return low, high


def check_stretch(stretch: str) -> str:
    """Return a stretch in its one spelling; raises ValueError for one that there is not."""
    window = fixed_window(stretch)
    return stretch if window is None else "{:.12g},{:.12g}".format(*window)
