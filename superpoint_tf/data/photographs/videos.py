"""Videos as pictures: frames read one after another, and written as files of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from superpoint_tf.data.photographs.reading import PhotographError, check_name
from superpoint_tf.runtime import storage

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv")
_DEFAULT_RATE = 25.0  # frames a second where a file does not say
_LOST = 0.02  # fraction of the frames that a container may announce too many, without being cut short


def is_video(path: str | Path) -> bool:
    """Tell by its name whether a file is a video."""
    return str(path).lower().endswith(VIDEO_SUFFIXES)


class VideoReader:
    """The frames of a video file, in order, as they are shown: a phone held upright notes by how much to turn them."""

    def __init__(self, path: str | Path) -> None:
        """Open a video; raises PhotographError if it cannot be read."""
        self._path = path
        check_name(path)
        if not Path(path).is_file():
            raise PhotographError(path, "no such file")
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise PhotographError(path, "not a video in a format that this OpenCV reads")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # which is the default of some versions of OpenCV only
        self.turned_deg = int(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360
        self.announced = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)  # 0: unknown; often off by a few
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if 0 < rate < 1000 else _DEFAULT_RATE

    def frames(
        self, every: int = 1, wanted: Callable[[int], bool] = lambda number: True
    ) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield (number, uint8 BGR frame (H, W, 3)) of each `every`-th frame, the first being number 0.

        A frame that is not `wanted` is passed over without being converted, and comes as None. Raises PhotographError
        at the end if there was no frame at all, or clearly fewer than the file announces.
        """
        number = 0
        while self._capture.grab():
            if number % every == 0:
                if wanted(number):
                    done, frame = self._capture.retrieve()
                    if not done:
                        break
                    yield number, frame
                else:
                    yield number, None
            number += 1
        if not number:
            raise PhotographError(self._path, "a video without a frame that can be read")
        if number < self.announced * (1 - _LOST) - 1:
            raise PhotographError(self._path, f"ends after {number} of {self.announced} frames")

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FrameFolder:
    """Frames as JPEG files below a folder, by their names in a feature file, for programs that read pictures alone."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def has(self, name: str) -> bool:
        """Tell whether a frame is there."""
        return (self._folder / name).is_file()

    def write(self, name: str, frame: np.ndarray) -> None:
        """Write a uint8 BGR frame (H, W, 3), whole or not at all; raises WriteError if the disk refuses."""
        _, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
        storage.write_bytes(self._folder / name, content.tobytes())

    def check(self, video_name: str) -> None:
        """Raise ValueError if the frames of a video would go into a folder where the video is."""
        if (self._folder / video_name).is_file():
            raise ValueError(
                f"{self._folder}: frames go into a folder {video_name}, which is a file there; name another"
            )
