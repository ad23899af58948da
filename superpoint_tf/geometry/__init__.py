"""Homographies, the warps of images, points and masks, and the 8x8 cells of the detector; names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# PEP 562: the NumPy names are used without TensorFlow's import. Code of the package names the modules themselves.
_NAMES = {
    "cells": ("cell_centres", "cells_valid", "keypoints_to_cell_labels", "keypoints_to_cell_targets"),
    "homography": ("homography_between_quads", "invert_homographies", "sample_homographies"),
    "masks": ("erode_mask", "warp_valid_mask"),
    "numpy_reference": ("cover_and_crop_frame", "resize_crop_homography", "warp_image_numpy", "warp_points_numpy"),
    "warp": ("warp_images", "warp_points"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)
