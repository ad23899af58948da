"""What a spatial transformer reads of digits: its outline on each picture, and the crop below."""

from __future__ import annotations

import cv2
import numpy as np

_SCALE = 4  # pixels of the drawing a pixel
_OUTLINE = (64, 160, 255)  # BGR


def draw_crops(pictures: np.ndarray, grid: np.ndarray, columns: int) -> np.ndarray:
    """Return a sheet uint8 (H, W, 3) of pictures (B, S, S) in [0, 1], read at uv (B, S, S, 2) in [-1, 1].

    Two rows of so many columns alternate: the pictures with the outline of what is read, and what is read.
    """
    pixels = (grid + 1.0) * (pictures.shape[1] - 1) / 2.0
    rows = []
    for start in range(0, len(pictures), columns):
        places = range(start, min(start + columns, len(pictures)))
        empty = [np.zeros_like(_enlarged(pictures[0]))] * (columns - len(places) if start else 0)
        rows.append(np.hstack([*(_outlined(pictures[place], pixels[place]) for place in places), *empty]))
        rows.append(np.hstack([*(_enlarged(_read(pictures[place], pixels[place])) for place in places), *empty]))
    return np.vstack(rows)


def _read(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    x, y = (np.nan_to_num(pixels[..., axis], nan=-9.0).astype(np.float32) for axis in (0, 1))
    return cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    grey = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    large = cv2.resize(grey, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_NEAREST)
    return cv2.copyMakeBorder(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(90,) * 3)


def _outlined(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    drawing = _enlarged(picture)
    border = np.concatenate([pixels[0], pixels[1:, -1], pixels[-1, -2::-1], pixels[-2:0:-1, 0]])
    line = np.rint((border[np.isfinite(border).all(axis=1)] + 0.5) * _SCALE).astype(np.int32)
    if len(line):
        cv2.polylines(drawing, [np.clip(line, -9999, 9999)], True, _OUTLINE, 1, cv2.LINE_AA)
    return drawing
