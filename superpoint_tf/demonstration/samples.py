"""Pictures and a video to try the commands on, under the names that README uses, made of scikit-image's photographs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs
from superpoint_tf.data.photographs.video_writer import VideoWriter
from superpoint_tf.drawing.visualization import save_jpeg
from superpoint_tf.runtime import storage

PICTURES = ("a.jpg", "b.jpg")
VIDEO, FOLDER, THERMAL = "clip.mp4", "photographs", "thermal.png"
_SOURCE = "rocket.jpg"
_SHAPE = (360, 480)  # (height, width) of views
# Where the corners of two views lie in the photograph of 640x427, xy, clockwise from the top left.
_FIRST = np.array([[20, 30], [500, 30], [500, 390], [20, 390]], np.float32)
_LAST = np.array([[140, 10], [600, 60], [560, 420], [90, 370]], np.float32)
_FRAMES, _FRAMES_PER_SECOND = 20, 10.0
_COLDEST, _LEVELS_A_STEP = 7600, 4  # of the 16 bits of a thermal camera, as the documentation has them


def write_samples(folder: str | Path) -> list[Path]:
    """Write two views of one photograph, a video from one to the other, a folder of photographs and the first view as
    a thermal camera stores pictures, in few of 16 bits; return the paths.

    Raises FileExistsError, and writes nothing, if a file or folder of these names is there.
    """
    paths = [Path(folder) / name for name in (*PICTURES, VIDEO, FOLDER, THERMAL)]
    for path in paths:
        if path.exists():
            raise FileExistsError(f"{path}: is there already; name another folder")
    bundled = find_photographs(PhotographsSection(), BUNDLED)
    views = list(_views(cv2.imread(storage.join(bundled.root, _SOURCE))))
    with VideoWriter(paths[2], _FRAMES_PER_SECOND) as video:  # first: what may fail leaves nothing
        for view in views:
            video.add(view)
    save_jpeg(paths[0], views[0])
    save_jpeg(paths[1], views[-1])
    grey = cv2.cvtColor(views[0], cv2.COLOR_BGR2GRAY).astype(np.uint16)
    storage.write_bytes(paths[4], cv2.imencode(".png", _COLDEST + _LEVELS_A_STEP * grey)[1].tobytes())
    for name in (*bundled.train, *bundled.validation):
        storage.write_bytes(paths[3] / name, storage.read_bytes(storage.join(bundled.root, name)))
    return paths


def _views(photograph: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views of a picture (H, W, 3) from the first corners to the last."""
    height, width = _SHAPE
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    for part in np.linspace(0, 1, _FRAMES):
        corners = (1 - part) * _FIRST + part * _LAST
        homography = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
        yield cv2.warpPerspective(photograph, homography, (width, height), flags=cv2.INTER_AREA)
