"""The sheet that shapes are painted on: convex polygons with subpixel vertices, antialiased without any bias."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np


@lru_cache(maxsize=16)
def _pixel_centres(length: int, scale: int) -> np.ndarray:
    """Return where the centres of `length * scale` fine pixels lie, in pixels of the finished picture."""
    centres = (np.arange(length * scale, dtype=np.float32) + 0.5) / scale - 0.5  # the half-pixel rule of a resize
    centres.flags.writeable = False
    return centres


def ramp_width(x: float, y: float) -> float:
    """Return how far an edge with the normal (x, y) moves, in lengths of the normal, while it crosses a pixel.

    The exact coverage is a smooth step; a straight ramp of this width is within .05 of it for every slope.
    """
    x, y = abs(x), abs(y)
    return max(x, y) + 0.35 * min(x, y) + 1e-9


def ramp(rows: np.ndarray, columns: np.ndarray, target: np.ndarray) -> None:
    """Write rows (H,) + columns (W,), cut to [0, 1], into target float32 (H, W): how far an edge has crossed pixels."""
    np.add.outer(rows, columns, out=target)
    cv2.threshold(target, 1.0, 1.0, cv2.THRESH_TRUNC, dst=target)  # three times as fast as numpy's minimum
    cv2.threshold(target, 0.0, 0.0, cv2.THRESH_TOZERO, dst=target)


class Canvas:
    """Hold a picture drawn `scale` times too large; every coordinate is xy in pixels of the finished picture.

    cv2.fillPoly paints each pixel that the outline touches, which pushes every edge half a pixel outwards. Here a
    pixel is covered by the product over the polygon's edges of how far the edge has crossed it, so edges stay put.
    """

    def __init__(self, image_shape: tuple[int, int], scale: int, grey: float | np.ndarray = 0.0) -> None:
        self.image_shape = image_shape
        self.scale = scale
        height, width = image_shape
        self.values: np.ndarray = np.empty((height * scale, width * scale), np.float32)
        self._sheets: dict[str, np.ndarray] = {}
        self.xs = _pixel_centres(width, scale)
        self.ys = _pixel_centres(height, scale)
        self.cover(grey)

    def cover(self, grey: float | np.ndarray) -> None:
        """Begin a new picture on a level, or on levels (H, W) enlarged to the fine pixels."""
        if isinstance(grey, np.ndarray):
            size = self.values.shape[::-1]
            cv2.resize(grey.astype(np.float32, copy=False), size, dst=self.values, interpolation=cv2.INTER_LINEAR)
        else:
            self.values.fill(grey)

    def sheet(self, name: str, box: tuple[slice, slice]) -> np.ndarray:
        """Return working memory of the box's size, float32, with the last content of that name.

        Fresh arrays of this size come from the system page by page, which took an eighth of the time of a picture.
        """
        if name not in self._sheets:
            self._sheets[name] = np.empty(self.values.size, np.float32)
        rows, columns = (part.stop - part.start for part in box)
        return self._sheets[name][: rows * columns].reshape(rows, columns)

    @property
    def min_side(self) -> int:
        """Return the shorter side of the picture, pixels; sizes of shapes are quoted in it."""
        return min(self.image_shape)

    def box(self, points: np.ndarray) -> tuple[slice, slice]:
        """Return the slices (rows, columns) of `values` that hold the points (N, 2) and a pixel around them."""
        xs, ys = points[:, 0].tolist(), points[:, 1].tolist()
        height, width = self.values.shape
        left, right = (min(max(int(x * self.scale), 0), width) for x in (min(xs) - 1, max(xs) + 3))
        top, bottom = (min(max(int(y * self.scale), 0), height) for y in (min(ys) - 1, max(ys) + 3))
        return slice(top, bottom), slice(left, right)

    def coverage(self, polygon: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """Return how much of each fine pixel of the box a convex polygon (K, 2) covers, float32 in [0, 1]."""
        points = polygon.tolist()
        edges = [(x, y, u - x, v - y) for (x, y), (u, v) in zip(points, points[1:] + points[:1], strict=True)]
        inwards = 1.0 if edges[0][2] * edges[1][3] >= edges[0][3] * edges[1][2] else -1.0
        rows, columns = self.ys[box[0]], self.xs[box[1]]
        covered, crossed = self.sheet("covered", box), self.sheet("crossed", box)
        for k, (x, y, across, down) in enumerate(edges):
            rate = inwards * self.scale / ramp_width(across, down)
            a, b = -down * rate, across * rate
            ramp(b * rows + (0.5 - a * x - b * y), a * columns, crossed if k else covered)
            if k:
                covered *= crossed
        return covered

    def paint_polygon(self, polygon: np.ndarray, grey: float | np.ndarray) -> None:
        """Paint a convex polygon (K, 2), either orientation; `grey` is a level, or levels of its `box`."""
        box = self.box(polygon)
        values = self.values[box]
        if not values.size:
            return
        covered = self.coverage(polygon, box)
        change = np.subtract(grey, values, out=self.sheet("crossed", box), dtype=np.float32)
        change *= covered
        values += change

    def greys_at(self, points: np.ndarray) -> np.ndarray:
        """Return the present grey levels (N,) nearest to points (N, 2); points outside read the frame's edge."""
        index = np.rint((points + 0.5) * self.scale - 0.5).astype(np.intp)
        height, width = self.values.shape
        np.minimum(np.maximum(index, 0, out=index), (width - 1, height - 1), out=index)
        return self.values[index[:, 1], index[:, 0]]

    def finish(self, blur_sigma_px: float = 0.0) -> np.ndarray:
        """Return the picture uint8 (H, W): area-averaged to its size, then blurred a little, as a camera does."""
        height, width = self.image_shape
        image = self.values
        if self.scale > 1:
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        if blur_sigma_px > 0:
            image = cv2.GaussianBlur(image, (5, 5), blur_sigma_px, borderType=cv2.BORDER_REPLICATE)
        return np.rint(np.minimum(np.maximum(image, 0), 255)).astype(np.uint8)
