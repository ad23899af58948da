"""What `show` draws of a picture or of the frames of a video, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from superpoint_tf.drawing.layout import panel_scale, side_by_side
from superpoint_tf.drawing.visualization import draw_heatmap, draw_keypoints, draw_tracks
from superpoint_tf.features.tracks import Tracks
from superpoint_tf.using.extractor import Extractor

# Grey uint8 (H, W) for the network and uint8 BGR to draw on: the drawing, uint8 BGR, and the number of keypoints.
FrameView = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, int]]
_PANEL_PX = 640  # width of a picture


class DetectionView:
    """Keypoints and heatmap beside each other."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor

    def __call__(self, grey: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, int]:
        grey, colour = self._extractor.shrink(grey), self._extractor.shrink(colour)
        heatmap, keypoints, scores = self._extractor.detect(grey)
        heatmap = cv2.resize(heatmap, grey.shape[::-1])  # that of several scales is larger
        scale = panel_scale(grey.shape, _PANEL_PX)
        panels = [draw_keypoints(colour, keypoints, scores, scale=scale), draw_heatmap(heatmap, colour, scale)]
        return side_by_side(panels, ["keypoints", "heatmap"], [f"{len(keypoints)}", ""]), len(keypoints)


class TrackView:
    """The keypoints of a frame, and where they were in the frames before; one a video."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor, self._tracks = extractor, Tracks()

    def __call__(self, grey: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, int]:
        grey, colour = self._extractor.shrink(grey), self._extractor.shrink(colour)
        features = self._extractor(grey)
        paths = self._tracks.add(features)
        followed = sum(len(path) > 1 for path in paths)
        picture = draw_tracks(colour, paths, panel_scale(grey.shape, _PANEL_PX))
        return side_by_side([picture], ["tracks"], [f"{followed} of {len(paths)} followed"]), len(paths)


class FrameTimer:
    """How many frames a second were drawn, and what one took from the picture to its drawing."""

    def __init__(self, view: FrameView) -> None:
        self._view, self._seconds = view, list[float]()
        self._began, self._ended = 0.0, 0.0

    def __call__(self, grey: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, int]:
        began = time.perf_counter()
        drawn = self._view(grey, colour)
        self._ended = time.perf_counter()
        if self._began:  # the first frame also compiles the network
            self._seconds.append(self._ended - began)
        self._began = self._began or self._ended
        return drawn

    def summary(self) -> str:
        """Return rate and latency in words, empty below two frames."""
        if not self._seconds:
            return ""
        rate = len(self._seconds) / max(self._ended - self._began, 1e-9)
        middle, slow = np.percentile(self._seconds, (50, 95)) * 1000
        return f"{rate:.1f} frames/s; a frame takes {middle:.0f} ms, 19 of 20 at most {slow:.0f} ms"
