"""The scales at which a network looks at one picture: their rules, and the sizes they give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

ONE_SCALE = (1.0,)
_SMALLEST, _LARGEST = 1 / 16, 8.0


def check_scales(scales: Iterable[float]) -> tuple[float, ...]:
    """Return scales in order of size; raises ValueError if there is none, or naming one out of range or given twice."""
    try:
        given = tuple(float(scale) for scale in scales)
    except (TypeError, ValueError):  # one number, or text
        raise ValueError(f"scales: {scales!r}; give a sequence of numbers, such as (1, 1.5)") from None
    for scale in given:
        if not (math.isfinite(scale) and _SMALLEST <= scale <= _LARGEST):
            raise ValueError(f"scales: {scale:g}; give factors of the picture's size from {_SMALLEST} to {_LARGEST:g}")
        if given.count(scale) > 1:
            raise ValueError(f"scales: {scale:g} is given twice; give each once")
    if not given:
        raise ValueError("scales: none; give one or more, 1 is the picture's own")
    return tuple(sorted(given))


def scaled_shape(image_shape: Sequence[int], scale: float) -> tuple[int, int]:
    """Return (H, W) of an image after it was resized, at least one pixel each."""
    return max(1, round(image_shape[0] * scale)), max(1, round(image_shape[1] * scale))
