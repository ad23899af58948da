"""The choice of a grey level that stands out from what is around it."""

from __future__ import annotations

import numpy as np

_LEVELS = np.arange(256, dtype=np.float32)


def choose_grey(number: float, forbidden: np.ndarray, margin: float) -> float:
    """Return the grey level that `number` in [0, 1) picks among those at least `margin` from every forbidden one (N,).

    If there is none, return the level whose nearest forbidden one is farthest away; the labels look at the picture.
    """
    distance = np.abs(_LEVELS - forbidden.reshape(-1, 1)).min(axis=0)
    allowed = np.flatnonzero(distance >= margin)
    if len(allowed):
        return float(allowed[int(number * len(allowed))])
    return float(distance.argmax())


def margin_for(min_contrast: float) -> float:
    """Return how far apart neighbouring greys are chosen, so that the blur leaves them `min_contrast` apart."""
    return 1.5 * min_contrast + 15.0
