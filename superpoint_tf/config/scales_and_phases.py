"""The looks that a network takes at one picture, in each phase at each scale: their rules, sizes and offsets."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

ONE_SCALE = (1.0,)
ONE_PHASE = 1
_SMALLEST, _LARGEST = 1 / 16, 8.0
# By how many pixels the resized picture is moved, (right, down), in each phase before the network sees it: its answer
# depends on where in its cell of 8 pixels a corner lies, and offsets spread evenly over the cell average that away.
OFFSETS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((0, 0),),
    2: ((0, 0), (4, 4)),
    4: ((0, 0), (4, 0), (0, 4), (4, 4)),
    16: tuple((x, y) for y in (0, 2, 4, 6) for x in (0, 2, 4, 6)),
}
PHASES = tuple(OFFSETS)


def check_phases(phases: Any) -> int:
    """Return the number of phases; raises ValueError naming one that there are no offsets for."""
    if isinstance(phases, bool) or phases not in PHASES:
        raise ValueError(f"phases: {reprlib.repr(phases)}; give {', '.join(map(str, PHASES[:-1]))} or {PHASES[-1]}")
    return int(phases)


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
