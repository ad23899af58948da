"""Patches cut from a picture about keypoints, as descriptors see them where they are used.

The squares, and what of the picture a pixel of a patch covers, are those of the batches that descriptors are trained on
(`data.batches.patch_batch`, which cuts through homographies and inside its graph).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SUBSAMPLES = 2  # along each axis of a patch's pixel
LEVEL_TOLERANCE = 0.1  # octaves that a step may be above a level's pixel
_SMALLEST_LEVEL_PX = 8
MOST_PIXELS_A_SIDE = 2**15 - 2  # of a picture: OpenCV's warps count no further


def keypoint_frames(keypoints: np.ndarray, half_sides_px: np.ndarray, angles_deg: np.ndarray) -> np.ndarray:
    """Return the frames (N, 2, 3) of squares about keypoints xy (N, 2), float64: `geometry.grids.frames_of`."""
    angles = np.deg2rad(angles_deg)
    cosine, sine = half_sides_px * np.cos(angles), half_sides_px * np.sin(angles)
    rows = np.stack([cosine, -sine, keypoints[:, 0], sine, cosine, keypoints[:, 1]], axis=-1)
    return rows.reshape(-1, 2, 3)


def build_levels(image: np.ndarray) -> list[np.ndarray]:
    """Return a picture float32 (H, W) and its halves, each pixel the mean of 2x2.

    A side that is odd is continued by its edge first. Raises ValueError for a picture that OpenCV cannot warp.
    """
    if max(image.shape) > MOST_PIXELS_A_SIDE:
        height, width = image.shape
        raise ValueError(f"the picture has {width}x{height} pixels; patches are cut up to {MOST_PIXELS_A_SIDE} a side")
    levels = [image]
    while min(levels[-1].shape) > _SMALLEST_LEVEL_PX:
        above = levels[-1]
        even = np.pad(above, [(0, side % 2) for side in above.shape], "edge")
        height, width = even.shape
        levels.append(even.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))
    return levels


def cut_patches(levels: Sequence[np.ndarray], frames: np.ndarray, side_px: int) -> np.ndarray:
    """Cut patches float32 (N, S, S) at frames (N, 2, 3) from the levels of a picture.

    A pixel of a patch is the mean of 2x2 samples, read bilinearly at the level whose pixels are about as far apart as
    the samples, or less: nothing aliases. Positions are rounded to 1/32 of a level's pixel (OpenCV's warps). Beyond its
    edges the picture is reflected.
    """
    samples = side_px * SUBSAMPLES
    patches = np.empty((len(frames), side_px, side_px), np.float32)
    for patch, frame in zip(patches, frames, strict=True):
        arms = frame[:, :2] * (2.0 / samples)  # from one sample to the next, in pixels of the picture
        step = np.sqrt(abs(np.linalg.det(arms)))
        octaves = np.ceil(np.log2(max(step, 1.0)) - LEVEL_TOLERANCE)
        number = min(int(octaves), len(levels) - 1)
        first = frame[:, 2] + (0.5 - samples / 2) * arms.sum(axis=1)
        to_level = np.column_stack([arms, first + 0.5]) / 2**number
        to_level[:, 2] -= 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        read = cv2.warpAffine(levels[number], to_level, (samples, samples), flags=flags, borderMode=cv2.BORDER_REFLECT)
        cv2.resize(read, (side_px, side_px), dst=patch, interpolation=cv2.INTER_AREA)
    return patches


def resize_patches(patches: np.ndarray, side_px: int) -> np.ndarray:
    """Resize patches (N, h, w) to (N, S, S) by area; those of that side come back as they are."""
    if patches.shape[1:] == (side_px, side_px):
        return patches
    resized = np.empty((len(patches), side_px, side_px), patches.dtype)
    for patch, target in zip(patches, resized, strict=True):
        cv2.resize(patch, (side_px, side_px), dst=target, interpolation=cv2.INTER_AREA)
    return resized
