"""Homographies, the warps of images, points and masks, and the 8x8 cells of the detector; names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cells import cell_centres, cells_valid, keypoints_to_cell_labels, keypoints_to_cell_targets
    from .homography import homography_between_quads, invert_homographies, sample_homographies
    from .numpy_reference import cover_and_crop_frame, resize_crop_homography, warp_image_numpy, warp_points_numpy
    from .warp import erode_mask, warp_images, warp_points, warp_valid_mask

_MODULE_OF = {
    "cell_centres": "cells",
    "cells_valid": "cells",
    "cover_and_crop_frame": "numpy_reference",
    "erode_mask": "warp",
    "homography_between_quads": "homography",
    "invert_homographies": "homography",
    "keypoints_to_cell_labels": "cells",
    "keypoints_to_cell_targets": "cells",
    "resize_crop_homography": "numpy_reference",
    "sample_homographies": "homography",
    "warp_image_numpy": "numpy_reference",
    "warp_images": "warp",
    "warp_points": "warp",
    "warp_points_numpy": "numpy_reference",
    "warp_valid_mask": "warp",
}

__all__ = [
    "cell_centres",
    "cells_valid",
    "cover_and_crop_frame",
    "erode_mask",
    "homography_between_quads",
    "invert_homographies",
    "keypoints_to_cell_labels",
    "keypoints_to_cell_targets",
    "resize_crop_homography",
    "sample_homographies",
    "warp_image_numpy",
    "warp_images",
    "warp_points",
    "warp_points_numpy",
    "warp_valid_mask",
]


def __getattr__(name: str) -> Any:  # PEP 562: worker processes use the NumPy names without TensorFlow's import
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
