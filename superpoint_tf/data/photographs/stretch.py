"""Grey levels of any numbers as the 8 bits that networks see: as they are, or a window of them spread over all."""

from __future__ import annotations

import numpy as np

from superpoint_tf.config.stretch import NO_STRETCH, fixed_window

PERCENTILES = (1.0, 99.0)  # of a picture's levels, the ends of its own window: a dead pixel does not decide
_NARROW = 0.1  # share of all grey levels, up to which a picture's contrast may be too low to find anything in
_FEW_KEYPOINTS = 20


class OutsideWindow(ValueError):
    """A picture whose grey levels cannot reach the window that is asked for; the message names both."""


def stretch_levels(levels: np.ndarray, stretch: str = NO_STRETCH) -> np.ndarray:
    """Return grey levels (H, W) of any numbers as uint8: those of a window spread over 0 to 255, others cut off.

    `stretch` is `LOW,HIGH`, the window in the levels' own numbers; `percentile`, from the picture's own 1st to its 99th
    percentile; or `none`, where 16 bits are divided by 257. NaN is black. Raises ValueError for levels that have more
    than 16 bits without a window, OutsideWindow for those that cannot reach it.
    """
    window = fixed_window(stretch)
    if stretch == NO_STRETCH:
        return _all_levels(levels)
    if window is None:
        window = _own_window(levels)
    elif levels.dtype.kind == "u" and not (window[0] < np.iinfo(levels.dtype).max and window[1] > 0):
        raise OutsideWindow(
            f"its grey levels end at {np.iinfo(levels.dtype).max}, outside the window {stretch}; stretch by percentile"
        )
    low, high = window
    if high <= low:  # nothing but one level
        return np.zeros(levels.shape, np.uint8)
    spread = (levels.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    stretched: np.ndarray = np.rint(np.clip(np.nan_to_num(spread, nan=0.0), 0, 255)).astype(np.uint8)
    return stretched


def looks_narrow(image: np.ndarray, num_keypoints: int) -> bool:
    """Tell whether a grey uint8 image has hardly any keypoints, perhaps because it uses a tenth of its levels or less.

    One level alone is no such case: no stretch finds anything in it.
    """
    if num_keypoints >= _FEW_KEYPOINTS or image.min() == image.max():
        return False
    low, high = np.percentile(image, PERCENTILES)
    return bool(high - low <= _NARROW * 255)


def say_narrow(name: str, count: int = 1) -> str:
    """Say what to do about pictures that `looks_narrow` tells, of which one has this name."""
    others = f" and {count - 1} more" if count > 1 else ""
    return (
        f"{name}{others}: hardly a keypoint, and a tenth of the grey levels or less is used; --stretch percentile "
        "spreads the levels of each picture, --stretch LOW,HIGH one window of all pictures"
    )


def _all_levels(levels: np.ndarray) -> np.ndarray:
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype == np.uint16:
        return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    bits = "floating-point" if levels.dtype.kind == "f" else "32-bit"
    raise ValueError(f"{bits} pixels; give a window of them, --stretch LOW,HIGH, or save it with 8 or 16 bits")


def _own_window(levels: np.ndarray) -> tuple[float, float]:
    """Return the picture's own window: without its few outermost levels, if these are not all that differ."""
    known = levels[np.isfinite(levels)]
    if not known.size:
        return 0.0, 0.0
    low, high = np.percentile(known, PERCENTILES)
    return (float(low), float(high)) if low < high else (float(known.min()), float(known.max()))
