"""Algorithms of OpenCV that not every build of it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2

CONTRIBUTED = ("AKAZE", "BRISK")  # OpenCV 5 has them in its contributed modules alone


def opencv_algorithm(name: str) -> Any:
    """Return the class of this name, from `cv2` or `cv2.xfeatures2d`; raises ValueError if there is none."""
    found = _find(name)
    if found is None:
        raise ValueError(
            f"{name}: OpenCV {cv2.__version__} is without it; install opencv-contrib-python in place of "
            "opencv-python, or OpenCV 4"
        )
    return found


def check_row(name: str) -> None:
    """Raise ValueError for a row of a table whose algorithm this OpenCV does not have."""
    if name in CONTRIBUTED:
        opencv_algorithm(name)


def rows_here(names: Iterable[str]) -> tuple[str, ...]:
    """Return the rows of a table whose algorithms this OpenCV has."""
    return tuple(name for name in names if name not in CONTRIBUTED or _find(name) is not None)


def _find(name: str) -> Any:
    places = (cv2, getattr(cv2, "xfeatures2d", None))
    return next((getattr(place, name) for place in places if hasattr(place, name)), None)
