"""A window on a display, where there is one."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np

from superpoint_tf.runtime.interruption import StopRequest

_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1)"
_PROBE_S = 20.0
_QUIT = (ord("q"), 27)  # 27: Escape
_NAME = "SuperPoint-TF: q quits, any other key goes on"


def has_display() -> bool:
    """Tell whether a window can be opened; tried in a process of its own, since without a display Qt aborts."""
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class Window:
    """Shows pictures until the user has had enough."""

    def __init__(self) -> None:
        cv2.namedWindow(_NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._sized = False

    def show(self, picture: np.ndarray, stop: StopRequest, wait_ms: int = 0) -> bool:
        """Show a uint8 BGR picture for `wait_ms` milliseconds, 0: until a key.

        Return False if the user quits, by key, by mouse or by a signal.
        """
        if not self._sized:
            cv2.resizeWindow(_NAME, picture.shape[1], picture.shape[0])
            self._sized = True
        cv2.imshow(_NAME, picture)
        while True:
            key = cv2.waitKey(wait_ms or 50)  # in steps: neither a mouse nor a signal gives a key
            closed = cv2.getWindowProperty(_NAME, cv2.WND_PROP_VISIBLE) < 1
            if closed or stop.requested or ((key & 0xFF) in _QUIT and key >= 0):
                return False
            if wait_ms or key >= 0:
                return True
