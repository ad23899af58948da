"""Videos as pictures: frames read one after another, and pictures written as a video."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from superpoint_tf.data.photographs.reading import PhotographError, check_name
from superpoint_tf.runtime import operating_system, storage

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


class VideoWriter:
    """An mp4 file that gets its name when it is complete; nothing is left of one that failed."""

    def __init__(self, path: str | Path, rate: float) -> None:
        self._path, self._rate = Path(path), rate
        unfinished = f"{self._path.name}.{secrets.token_hex(4)}{storage.TEMPORARY_SUFFIX}"
        self._temporary = self._path.with_name(unfinished) / "video.mp4"  # OpenCV wants a name that ends so
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, picture: np.ndarray) -> None:
        """Add a uint8 BGR picture (H, W, 3); all get the size of the first. Raises OSError if it cannot be written."""
        if self._writer is None:
            self._size = (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)  # the codec wants even sides
            with storage.writing(self._path):
                self._temporary.parent.mkdir(parents=True)
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._temporary), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise OSError(f"{self._path}: this OpenCV cannot write an mp4 of {self._size[0]}x{self._size[1]} there")
        width, height = self._size
        if picture.shape[0] < height or picture.shape[1] < width:
            picture = cv2.resize(picture, self._size)
        self._writer.write(np.ascontiguousarray(picture[:height, :width]))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        try:
            if kind is None:
                with storage.writing(self._path):
                    operating_system.replace(self._temporary, self._path)
        finally:
            shutil.rmtree(self._temporary.parent, ignore_errors=True)
