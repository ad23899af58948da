"""A camera as a video without an end: always its newest frame, so that nothing is shown late."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType

import cv2
import numpy as np

from superpoint_tf.data.photographs.reading import PhotographError

_WAIT_S = 10.0  # some cameras take seconds for their first frame


class Camera:
    """The frames of a camera, read beside the program that uses them; those that it has no time for are passed over."""

    announced = 0  # frames: there is no end
    rate = 0.0  # frames a second: as many as are asked for

    def __init__(self, number: int) -> None:
        """Open a camera by OpenCV's number of it; raises PhotographError if there is none that can be opened."""
        self._name = f"camera {number}"
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise PhotographError(self._name, "cannot be opened; is it connected, free, and may you read it?")
        self._arrival = threading.Condition()
        self._newest: np.ndarray | None = None
        self._count, self._running = 0, True
        self._thread = threading.Thread(target=self._read, name=self._name, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._running:
            done, frame = self._capture.read()
            with self._arrival:
                self._running &= done
                if done:
                    self._newest, self._count = frame, self._count + 1
                self._arrival.notify_all()

    def frames(self, every: int = 1) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield (number, uint8 BGR frame (H, W, 3)) of the newest frame that is at least `every` after the last one.

        Raises PhotographError when the camera gives no more.
        """
        taken = 1 - every
        while True:
            frame, taken = self._wait_for(taken + every)
            yield taken - 1, frame

    def _wait_for(self, count: int) -> tuple[np.ndarray | None, int]:
        """Return the newest frame and how many have come, which are at least `count`."""
        with self._arrival:
            ended = self._arrival.wait_for(lambda: self._count >= count or not self._running, _WAIT_S)
            if self._count < count:
                why = "gives no more frames" if self._count else "gives no frame"
                raise PhotographError(self._name, why + ("" if ended else f" for {_WAIT_S:g} s"))
            return self._newest, self._count

    def close(self) -> None:
        """Let the camera go."""
        self._running = False
        self._thread.join(_WAIT_S)
        self._capture.release()

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
