"""Drawing keypoints, heatmaps and matches on pictures: functions of arrays that return uint8 BGR pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from superpoint_tf.detection.keypoints import scale_keypoints
from superpoint_tf.drawing.layout import (
    GAP_PX,
    Colour,
    join_row,
    pad_height,
    resize,
    to_bgr,
)
from superpoint_tf.runtime import storage

# Hues of Okabe and Ito's palette, which stay apart for colour-blind eyes, brightened for photographs.
YELLOW: Colour = (40, 220, 255)  # what our networks find
SKY: Colour = (250, 200, 90)  # classical detectors, and matches nobody judged
PINK: Colour = (200, 130, 245)  # the truth
GREEN: Colour = (130, 225, 60)  # right; brighter than RED, so that they differ in grey as well
RED: Colour = (35, 50, 225)  # wrong
HALO: Colour = (25, 20, 20)  # outline that keeps a mark visible on bright ground

HEATMAP_RANGE = (0.005, 0.5)  # probabilities shown as no and as full colour; logarithmic between
_JPEG_SETTINGS = (cv2.IMWRITE_JPEG_QUALITY, 85)
_SHIFT = 4  # OpenCV draws at 1/16 px when coordinates are multiplied by 2**_SHIFT


def draw_keypoints(
    image: NDArray,
    keypoints: NDArray,
    scores: NDArray | None = None,
    colour: Colour = YELLOW,
    scale: float = 1,
    ring: bool = False,
) -> NDArray[np.uint8]:
    """Draw keypoints (N, 2) as dots, or rings, with a dark halo; `scale` enlarges the picture first.

    Rows that are not finite or lie outside the picture are skipped. A higher score makes a larger dot, drawn later.
    """
    canvas = resize(to_bgr(image), scale)
    points = scale_keypoints(keypoints, image.shape, canvas.shape)
    factors = _size_factors(scores, len(points))
    base = _mark_radius(canvas)
    for number in np.argsort(factors, kind="stable"):
        if _is_inside(points[number], canvas):
            _draw_mark(canvas, points[number], base * float(factors[number]), colour, ring)
    return canvas


def draw_heatmap(heatmap: NDArray, image: NDArray | None = None, scale: float = 1) -> NDArray[np.uint8]:
    """Draw probabilities (H, W) in colours from black over red to yellow, logarithmically between .005 and .5.

    The scale is fixed, so two pictures compare. Over `image` (H, W[, C]) low probability is transparent.
    """
    heatmap = np.nan_to_num(np.asarray(heatmap, np.float32))
    if heatmap.ndim != 2:
        raise ValueError(f"a heatmap of shape {heatmap.shape} cannot be drawn; pass one of shape (H, W)")
    if scale < 1:  # averaging would make one-pixel peaks invisible
        heatmap = cv2.dilate(heatmap, np.ones((math.ceil(1 / scale),) * 2, np.uint8))
    low, high = HEATMAP_RANGE
    level = np.log(np.maximum(heatmap, low) / low) / np.log(high / low)
    level = np.clip(resize(level.astype(np.float32), scale), 0, 1)
    if image is None:
        return _inferno(level)
    colours = _inferno(0.3 + 0.7 * level)  # the map's dark end would vanish on a photograph
    below = resize(to_bgr(image), scale).astype(np.float32) * 0.5
    if below.shape != colours.shape:
        raise ValueError(f"a heatmap of shape {heatmap.shape} cannot lie over a picture of shape {image.shape}")
    alpha = np.minimum(1.0, 2.5 * level)[:, :, None]
    return np.rint(below * (1 - alpha) + colours * alpha).astype(np.uint8)


def draw_matches(
    image0: NDArray,
    image1: NDArray,
    keypoints0: NDArray,
    keypoints1: NDArray,
    matches: NDArray,
    correct: NDArray | None = None,
    scale: float = 1,
) -> NDArray[np.uint8]:
    """Draw two pictures side by side and a line for each match.

    `matches` (M, 2) are rows of `keypoints0` and `keypoints1`; `correct` (M,) bool makes lines green (right) or red
    (wrong, below the right ones). Matches of keypoints that are not finite are skipped. The pictures keep their sizes.
    """
    matches = np.asarray(matches, np.int64).reshape(-1, 2)
    _check_matches(matches, len(keypoints0), len(keypoints1), correct)
    views = [resize(to_bgr(image), scale) for image in (image0, image1)]
    height = max(view.shape[0] for view in views)
    canvas = join_row([pad_height(view, height) for view in views])
    lefts = (0, views[0].shape[1] + GAP_PX)
    corners = np.array([(left, (height - len(view)) // 2) for left, view in zip(lefts, views, strict=True)])
    points0 = scale_keypoints(keypoints0, image0.shape, views[0].shape) + corners[0]
    points1 = scale_keypoints(keypoints1, image1.shape, views[1].shape) + corners[1]
    ends = np.stack([points0[matches[:, 0]], points1[matches[:, 1]]], axis=1)  # (M, 2, 2)
    right = np.ones(len(matches), bool) if correct is None else np.asarray(correct, bool)
    shown = (np.abs(ends) < 1e6).all(axis=(1, 2))  # False for NaN; OpenCV's integers overflow far outside
    _draw_lines(canvas, ends[shown & ~right], RED)
    _draw_lines(canvas, ends[shown & right], SKY if correct is None else GREEN)
    return canvas


def draw_tracks(image: NDArray, paths: Sequence[NDArray], scale: float = 1) -> NDArray[np.uint8]:
    """Draw where keypoints have been: a line along each path (L, 2), oldest place first, and a dot at its end.

    The longer a keypoint has been followed, the warmer the colour of its line; `scale` enlarges the picture first.
    """
    canvas = resize(to_bgr(image), scale)
    longest = max((len(path) for path in paths), default=1)
    radius = max(1.25, 0.55 * _mark_radius(canvas))
    for path in sorted(paths, key=len):
        places = scale_keypoints(path, image.shape, canvas.shape)
        level = np.full((1, 1), 0.35 + 0.6 * (len(path) - 1) / max(longest - 1, 1))
        colour = tuple(map(int, _inferno(level)[0, 0]))
        if len(path) > 1:
            lines = np.rint(places * (1 << _SHIFT)).astype(np.int32)
            cv2.polylines(canvas, [lines], False, colour, 2, cv2.LINE_AA, _SHIFT)
        _draw_mark(canvas, places[-1], radius, YELLOW if len(path) > 1 else SKY, ring=False)
    return canvas


def save_png(path: str | Path, image: NDArray) -> None:
    """Write a picture as PNG, whole or not at all."""
    _save(path, image, ".png")


def save_jpeg(path: str | Path, image: NDArray) -> None:
    """Write a picture as JPEG, whole or not at all: a third of the size, for figures of photographs."""
    _save(path, image, ".jpg", _JPEG_SETTINGS)


class NotebookPicture:
    """A picture, grey or BGR as all here are, that a notebook shows where it is the value of a cell."""

    def __init__(self, image: NDArray) -> None:
        self.image = to_bgr(image)

    def _repr_jpeg_(self) -> bytes:
        return _encode(self.image, ".jpg", _JPEG_SETTINGS)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"NotebookPicture({width}x{height})"


def _save(path: str | Path, image: NDArray, suffix: str, settings: Sequence[int] = ()) -> None:
    try:
        content = _encode(to_bgr(image), suffix, settings)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    storage.write_bytes(path, content)


def _encode(image: NDArray[np.uint8], suffix: str, settings: Sequence[int]) -> bytes:
    done, content = cv2.imencode(suffix, image, settings)
    if not done:
        raise ValueError(f"a picture of shape {image.shape} could not be encoded as {suffix[1:].upper()}")
    encoded: bytes = content.tobytes()
    return encoded


def _inferno(level: NDArray) -> NDArray[np.uint8]:
    return cv2.applyColorMap(np.rint(level * 255).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(np.uint8)


def _size_factors(scores: NDArray | None, count: int) -> NDArray[np.float64]:
    if scores is None or count == 0:
        return np.ones(count)
    scores = np.nan_to_num(np.asarray(scores, np.float64)).reshape(-1)
    if len(scores) != count:
        raise ValueError(f"{len(scores)} scores for {count} keypoints; pass one each")
    return 0.6 + 0.7 * np.sqrt(np.clip(scores / max(scores.max(), 1e-12), 0, 1))


def _mark_radius(canvas: NDArray) -> float:
    """Return a radius that suits the picture: 1.5 px below 270 px of width, 2.7 px at 480, 4.5 px at most."""
    return float(np.clip(canvas.shape[1] / 180, 1.5, 4.5))


def _is_inside(point: NDArray, canvas: NDArray) -> bool:
    x, y = point
    return bool(-0.5 <= x <= canvas.shape[1] - 0.5 and -0.5 <= y <= canvas.shape[0] - 0.5)  # False for NaN


def _draw_mark(canvas: NDArray, point: NDArray, radius: float, colour: Colour, ring: bool) -> None:
    """Draw a dot, or a ring of twice its radius, with its halo."""
    halo = max(0.8, radius * 0.35)
    inner, outer = (2 * radius - 0.9, 2 * radius + 0.9) if ring else (-1.0, radius)
    _blend_disc(canvas, point, inner - halo, outer + halo, HALO)
    _blend_disc(canvas, point, inner, outer, colour)


def _blend_disc(canvas: NDArray, point: NDArray, inner: float, outer: float, colour: Colour) -> None:
    """Fill the pixels at distances `inner` to `outer` of a subpixel point; OpenCV makes small circles diamonds."""
    left, top = np.maximum(np.floor(point - outer - 1).astype(int), 0)
    right, bottom = np.ceil(point + outer + 2).astype(int)
    window = canvas[top : max(bottom, 0), left : max(right, 0)]
    rows, columns = np.ogrid[top : top + window.shape[0], left : left + window.shape[1]]
    distance = np.hypot(columns - point[0], rows - point[1])
    cover = np.clip(outer + 0.5 - distance, 0, 1) * np.clip(distance - inner + 0.5, 0, 1)
    window[:] = np.rint(window + cover[:, :, None] * (np.array(colour) - window))


def _draw_lines(canvas: NDArray, ends: NDArray, colour: Colour) -> None:
    """Draw lines (M, 2, 2), slightly transparent, then their end points on top."""
    overlay = canvas.copy()
    for start, stop in np.rint(ends * (1 << _SHIFT)).astype(np.int32):
        cv2.line(overlay, start.tolist(), stop.tolist(), colour, 1, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(overlay, 0.75, canvas, 0.25, 0, dst=canvas)
    radius = max(1.25, 0.55 * _mark_radius(canvas))
    for point in ends.reshape(-1, 2):
        _draw_mark(canvas, point, radius, colour, ring=False)


def _check_matches(matches: NDArray, count0: int, count1: int, correct: NDArray | None) -> None:
    if len(matches) and (matches.min() < 0 or (matches.max(axis=0) >= (count0, count1)).any()):
        low, high = matches.min(axis=0).tolist(), matches.max(axis=0).tolist()
        raise ValueError(f"matches name rows {low} to {high} of the keypoints; there are {count0} and {count1}")
    if correct is not None and len(correct) != len(matches):
        raise ValueError(f"{len(correct)} values of `correct` for {len(matches)} matches; pass one each")
