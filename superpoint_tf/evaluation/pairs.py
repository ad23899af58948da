"""Pairs of images with a known homography, whatever set they come from (`superpoint_tf.evaluation.sets`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Origin:
    """The file that a frame was cut from, and where its pixels went."""

    path: str  # below the data folder, with slashes
    image_shape: tuple[int, int]  # (height, width) of the whole picture as the file stores it
    to_frame: np.ndarray  # float64 (3, 3), from xy of its stored pixels to xy of the frame


@dataclass(frozen=True)
class View:
    """One frame that extractors see: a grey uint8 image (H, W) under a name that no other frame of the set has."""

    name: str
    image: np.ndarray
    origin: Origin | None = None  # None: the frame was made, no file holds it


@dataclass(frozen=True)
class ImagePair:
    """Two views and the homography (3, 3) from pixels of view 0 to pixels of view 1."""

    name: str
    group: str  # rows of one group are averaged: v, i, i shifted, ...
    view0: View
    view1: View
    homography_0to1: np.ndarray
    sequence: str = ""

    @property
    def image0(self) -> np.ndarray:
        """Return the first image, grey uint8 (H, W)."""
        return self.view0.image

    @property
    def image1(self) -> np.ndarray:
        """Return the second image, grey uint8 (H, W)."""
        return self.view1.image


MakePairs = Callable[[tuple[int, int]], Iterable[ImagePair]]
"""From (height, width) to the pairs of a set at that size."""


@dataclass(frozen=True)
class Group:
    """What the report says of the pairs of a group besides its name."""

    title: str
    warning: str = ""  # why standing still wins here; such a group comes last and gives no examples
