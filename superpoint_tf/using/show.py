"""What `show` does: keypoints and heatmap over pictures and videos, in a window or in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.camera import Camera
from superpoint_tf.data.photographs.reading import PhotographError, read_grey_and_colour
from superpoint_tf.data.photographs.stretch import OutsideWindow, looks_narrow, say_narrow, stretch_levels
from superpoint_tf.data.photographs.video_writer import WRITTEN_SUFFIXES, VideoWriter, default_suffix, writes_h264
from superpoint_tf.data.photographs.videos import VideoReader
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.memory import PictureTooLarge
from superpoint_tf.runtime.progress import Console, Progress
from superpoint_tf.using.extractor import Extractor
from superpoint_tf.using.frame_views import DetectionView, FrameTimer, FrameView, TrackView
from superpoint_tf.using.picture_sources import Source
from superpoint_tf.using.window import Window

DEFAULT_FOLDER = "outputs/show"


class NothingShown(Exception):
    """No picture could be used; the message names each with its reason."""


def save_path(source: Source, output: str | None, several: bool) -> Path:
    """Return where a picture or video is drawn: `output`, or in that folder (without one, in outputs/show)."""
    if output and not several and output.lower().endswith(WRITTEN_SUFFIXES if source.is_video else ".png"):
        return Path(output)
    folder, name = Path(output or DEFAULT_FOLDER), Path(source.name)
    suffix = default_suffix() if source.is_video else ".png"
    return folder / name.parent / f"{name.name}_keypoints{suffix}"


def show_all(
    sources: Sequence[Source],
    extractor: Extractor,
    console: Console,
    window: Window | None,
    output: str | None = None,
    every: int = 1,
    stretch: str = NO_STRETCH,
    tracks: bool = False,
) -> int | None:
    """Show every source in a window, or without one save it; return the number of a signal that ended it, if any.

    Those that cannot be used are named, and what a killed call left of a file is deleted. Raises NothingShown if none
    can be used. `stretch` is that of `read_photograph`. With `tracks` videos show where keypoints have been, in place
    of the heatmap.
    """
    left_out: list[str] = []
    with StopRequest() as stop:
        for source in sources:
            path = None if window else save_path(source, output, len(sources) > 1)
            if path is not None:
                storage.remove_unfinished_of(path)
            try:
                if source.is_video:
                    view = TrackView(extractor) if tracks else DetectionView(extractor)
                    goes_on = _show_video(source, view, console, window, path, every, stretch, stop)
                else:
                    goes_on = _show_picture(source, extractor, console, window, path, stretch, stop)
            except (OutsideWindow, PhotographError, PictureTooLarge) as error:
                reason = str(error) if isinstance(error, PhotographError) else f"{source.path}: {error}"
                left_out.append(reason)
                console.line("left", reason)
                continue
            if stop.requested or not goes_on:
                return stop.signal_number
    if len(left_out) == len(sources):
        raise NothingShown(f"no picture could be used: {'; '.join(left_out)}")
    return None


def _show_picture(
    source: Source,
    extractor: Extractor,
    console: Console,
    window: Window | None,
    path: Path | None,
    stretch: str,
    stop: StopRequest,
) -> bool:
    grey, colour = read_grey_and_colour(source.path, stretch)
    picture, count = DetectionView(extractor)(grey, colour)
    if looks_narrow(grey, count):
        console.line("hint", say_narrow(source.path))
    if window is not None:
        return window.show(picture, stop)
    assert path is not None  # there is one or the other
    save_png(path, picture)
    console.line("show", f"look at {path}")
    return True


def _show_video(
    source: Source,
    view: FrameView,
    console: Console,
    window: Window | None,
    path: Path | None,
    every: int,
    stretch: str,
    stop: StopRequest,
) -> bool:
    """Show or save the frames until the end, the user's, or a signal; what is drawn by then is a whole video."""
    timed = FrameTimer(view)
    with Camera(int(source.path)) if source.is_camera else VideoReader(source.path) as video:
        total = -(-video.announced // every)
        frames = (frame for _, frame in video.frames(every) if frame is not None)
        greys = ((stretch_levels(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), stretch), frame) for frame in frames)
        drawn = (timed(grey, frame)[0] for grey, frame in greys)
        if window is not None:
            try:
                return all(window.show(picture, stop, wait_ms=1) for picture in drawn)
            finally:
                _say_rate(console, source, timed)
        assert path is not None  # there is one or the other
        if path.suffix.lower() == ".mp4" and not writes_h264():
            console.line(
                "note", f"{path}: no H.264 here, so VP9, which is slow to write; install ffmpeg or name a .webm"
            )
        with (
            VideoWriter(path, video.rate / every) as writer,
            Progress(total, "show", "frames", console=console) as progress,
        ):
            try:
                for picture in drawn:
                    writer.add(picture)
                    progress.update()
                    if stop.requested:
                        break
            except (PhotographError, PictureTooLarge) as error:
                if not progress.done:
                    raise
                console.line("left", f"{path}: ends early: {error}")  # what is drawn is a whole video
        console.line("show", f"look at {path} ({progress.done} frames{', stopped' * stop.requested})")
        _say_rate(console, source, timed)
    return True


def _say_rate(console: Console, source: Source, timed: FrameTimer) -> None:
    if summary := timed.summary():
        console.line("rate", f"{source.name}: {summary}")
