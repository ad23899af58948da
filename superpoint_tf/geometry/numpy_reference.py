"""The same warps in float64 NumPy, slow and obvious: the reference of the tests, and points for evaluation."""

from __future__ import annotations

import numpy as np


def warp_points_numpy(points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Map points xy (N, 2) by a homography (3, 3); float64 (N, 2), NaN where w <= 0."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    mapped = np.column_stack([points, np.ones(len(points))]) @ np.asarray(homography, np.float64).T
    w = mapped[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(w > 0, mapped[:, :2] / w, np.nan)


def warp_image_numpy(
    image: np.ndarray, homography: np.ndarray, output_shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Warp an image (H, W) or (H, W, C) forward by a homography (3, 3), bilinearly; float64 (H', W') or (H', W', C).

    Neighbours outside the input count as 0, and so does what lies behind the camera.
    """
    height, width = image.shape[:2]
    out_height, out_width = output_shape or (height, width)
    ys, xs = np.mgrid[:out_height, :out_width]
    pixels = np.column_stack([xs.ravel(), ys.ravel()])
    source = warp_points_numpy(pixels, np.linalg.inv(np.asarray(homography, np.float64)))
    source = np.where(np.isfinite(source) & (np.abs(source) < 1e9), source, -10.0)  # far outside
    low = np.floor(source).astype(np.int64)
    fraction = source - low
    result = np.zeros((len(pixels), *image.shape[2:]), np.float64)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = low[:, 0] + dx, low[:, 1] + dy
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            weight = np.abs(1 - dx - fraction[:, 0]) * np.abs(1 - dy - fraction[:, 1]) * inside
            value = image[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(np.float64)
            result += value * weight.reshape(-1, *[1] * (value.ndim - 1))
    return result.reshape(out_height, out_width, *image.shape[2:])


def cover_and_crop_frame(
    original_shape: tuple[int, int], image_shape: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size (height, width) that covers `image_shape`, and (top, left) of the centre crop in it, pixels."""
    scale = max(image_shape[0] / original_shape[0], image_shape[1] / original_shape[1])
    height, width = (max(round(side * scale), target) for side, target in zip(original_shape, image_shape, strict=True))
    return (height, width), ((height - image_shape[0]) // 2, (width - image_shape[1]) // 2)


def resize_crop_homography(original_shape: tuple[int, int], image_shape: tuple[int, int]) -> np.ndarray:
    """Return the map float64 (3, 3) from pixels of the original to pixels of its scaled-to-cover centre crop.

    A resize follows the half-pixel rule, x -> (x + 0.5) s - 0.5, with each axis' own s after rounding the size.
    """
    (height, width), (top, left) = cover_and_crop_frame(original_shape, image_shape)
    scale_x, scale_y = width / original_shape[1], height / original_shape[0]
    return np.array(
        [[scale_x, 0.0, 0.5 * scale_x - 0.5 - left], [0.0, scale_y, 0.5 * scale_y - 0.5 - top], [0.0, 0.0, 1.0]]
    )
