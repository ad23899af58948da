"""Pictures written as a video that browsers play: H.264 where an encoder is there, else VP8 in WebM or VP9 in MP4."""

from __future__ import annotations

import contextlib
import functools
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol

import cv2
import numpy as np

from superpoint_tf.runtime import operating_system, storage
from superpoint_tf.runtime.quiet import held_back

WRITTEN_SUFFIXES = (".mp4", ".webm")
_CODES = {".mp4": "vp09", ".webm": "VP80"}  # without H.264; both encoders come with OpenCV
_H264, _X264 = "avc1", "libx264"
_PROBED_PX = (64, 48)


class _Encoder(Protocol):
    def write(self, picture: np.ndarray, /) -> object: ...
    def release(self) -> None: ...


def default_suffix() -> str:
    """Return the suffix of a video that nobody has named: .mp4 where H.264 can be written, else .webm."""
    return ".mp4" if writes_h264() else ".webm"


def writes_h264() -> bool:
    """Tell whether OpenCV or an ffmpeg program on the path has an encoder of H.264."""
    return _opencv_writes_h264() or _ffmpeg() is not None


class VideoWriter:
    """An .mp4 or .webm file that gets its name when it is complete; nothing is left of one that failed."""

    def __init__(self, path: str | Path, rate: float) -> None:
        self._path, self._rate = Path(path), rate
        unfinished = f"{self._path.name}.{secrets.token_hex(4)}{storage.TEMPORARY_SUFFIX}"
        self._temporary = self._path.with_name(unfinished) / f"video{self._path.suffix.lower()}"  # as encoders want it
        self._encoder: _Encoder | None = None
        self._size = (0, 0)

    def add(self, picture: np.ndarray) -> None:
        """Add a uint8 BGR picture (H, W, 3); all get the size of the first. Raises OSError if it cannot be written."""
        if self._encoder is None:
            self._size = (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)  # the codecs want even sides
            with storage.writing(self._path):
                self._temporary.parent.mkdir(parents=True)
            self._encoder = self._open()
        width, height = self._size
        if picture.shape[0] < height or picture.shape[1] < width:
            picture = cv2.resize(picture, self._size)
        with storage.writing(self._path):
            self._encoder.write(np.ascontiguousarray(picture[:height, :width]))

    def _open(self) -> _Encoder:
        suffix = self._path.suffix.lower()
        if suffix == ".mp4" and not _opencv_writes_h264() and (program := _ffmpeg()):
            return _FfmpegWriter(program, self._temporary, self._rate, self._size)
        code = _H264 if suffix == ".mp4" and _opencv_writes_h264() else _CODES[suffix]
        writer = _open_opencv(self._temporary, code, self._rate, self._size)
        if not writer.isOpened():
            width, height = self._size
            raise OSError(f"{self._path}: this OpenCV cannot write a {suffix} of {width}x{height} there")
        return writer

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._encoder is None:
            return
        try:
            with storage.writing(self._path) if kind is None else contextlib.suppress(OSError):
                self._encoder.release()
            if kind is None:
                with storage.writing(self._path):
                    operating_system.replace(self._temporary, self._path)
        finally:
            shutil.rmtree(self._temporary.parent, ignore_errors=True)


class _FfmpegWriter:
    """The ffmpeg program, which takes pictures on its standard input."""

    def __init__(self, program: str, path: Path, rate: float, size: tuple[int, int]) -> None:
        taken = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "{}x{}".format(*size), "-r", f"{rate:.6f}", "-i", "-"]
        # yuv420p and faststart: what browsers decode, and what they begin to show before all is loaded
        given = ["-c:v", _X264, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
        command = [program, "-loglevel", "error", "-nostdin", "-y", *taken, *given]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by release)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._errors, start_new_session=True
        )

    def write(self, picture: np.ndarray) -> None:
        """Raises OSError with ffmpeg's reason if it has stopped."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(picture.data)
        except BrokenPipeError:
            self._process.wait()
            raise self._error() from None

    def release(self) -> None:
        """Wait until all is written; raises OSError with ffmpeg's reason if it is not."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        error = self._error() if self._process.returncode else None
        self._errors.close()
        if error:
            raise error

    def _error(self) -> OSError:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return OSError(lines[-1] if lines else f"ffmpeg ended with code {self._process.returncode}")


def _open_opencv(path: Path, code: str, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    with held_back():  # it says which tags it tries
        return cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, size)


@functools.cache
def _opencv_writes_h264() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        writer = _open_opencv(Path(folder) / "probe.mp4", _H264, 25.0, _PROBED_PX)
        opened = writer.isOpened()
        writer.release()
        return opened


@functools.cache
def _ffmpeg() -> str | None:
    """Return the ffmpeg program that has an encoder of H.264."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    asked = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=False)
    return program if _X264 in asked.stdout else None
