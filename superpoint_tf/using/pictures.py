"""The pictures of files and videos, read ahead of the network, each with a hash of its content."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from superpoint_tf.data.photographs.orientation import UPRIGHT, read_orientation
from superpoint_tf.data.photographs.reading import PhotographError, decode_photograph, read_photograph_bytes
from superpoint_tf.data.photographs.videos import FrameFolder, VideoReader
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.workers import ordered_map
from superpoint_tf.using.picture_sources import Source

_READERS = 2  # threads; decoding releases the interpreter lock
_WINDOW = 4  # pictures read ahead, at most


class Picture(NamedTuple):
    """A picture, or why there is none."""

    name: str
    path: str
    sha256: str = ""  # of the file, or of the video and the frame's number; another for what is turned to be shown
    image: np.ndarray | None = None  # grey uint8 (H, W), as it is shown; None: done already, or cannot be read
    orientation: int = UPRIGHT  # of the file's pixels
    error: str = ""


def read_pictures(
    sources: Sequence[Source],
    is_done: Callable[[str, str], bool],
    every: int = 1,
    frames: FrameFolder | None = None,
) -> Iterator[Picture]:
    """Yield the pictures of files, and each `every`-th frame of videos, in the order of `sources`.

    `is_done(name, sha256)` tells which need not be decoded. What cannot be read comes with its error. Frames that are
    not in `frames` are written there.
    """
    start = 0
    while start < len(sources):
        stop = start
        while stop < len(sources) and not sources[stop].is_video:
            stop += 1
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            yield from ordered_map(pool, partial(_read_file, is_done), sources[start:stop], _WINDOW)
        if stop < len(sources):
            yield from _read_video(sources[stop], is_done, every, frames)
        start = stop + 1


def count_pictures(sources: Sequence[Source], every: int = 1) -> int:
    """Return how many pictures there are, as far as the videos' headers tell."""
    total = 0
    for source in sources:
        if not source.is_video:
            total += 1
            continue
        try:
            with VideoReader(source.path) as video:
                total += max(-(-video.announced // every), 1)
        except PhotographError:  # one that will be left out
            total += 1
    return total


def first_digest(source: Source) -> str:
    """Return the hash of a picture, or of a video's first frame, as `Picture` has it; raises OSError."""
    if source.is_video:
        with VideoReader(source.path) as video:
            return _frame_digest(video, storage.sha256_file(source.path), 0)
    content = Path(source.path).read_bytes()
    return _digest(content, read_orientation(content))


def _digest(content: bytes, orientation: int) -> str:
    """Return the hash of a picture: of one that is turned not its file's, which features of its shown pixels had."""
    plain = storage.sha256(content)
    return plain if orientation == UPRIGHT else storage.sha256(f"{plain} stored pixels".encode())


def _frame_digest(video: VideoReader, content: str, number: int) -> str:
    turned = f" turned {video.turned_deg}" if video.turned_deg else ""  # features of before were not
    return storage.sha256(f"{content} frame {number}{turned}".encode())


def _read_file(is_done: Callable[[str, str], bool], source: Source) -> Picture:
    try:
        content = read_photograph_bytes(source.path)
        orientation = read_orientation(content)
        digest = _digest(content, orientation)
        image = None if is_done(source.name, digest) else decode_photograph(content, source.path)
        return Picture(source.name, source.path, digest, image, orientation)
    except PhotographError as error:
        return Picture(source.name, source.path, error=error.reason)


def _read_video(
    source: Source, is_done: Callable[[str, str], bool], every: int, frames: FrameFolder | None
) -> Iterator[Picture]:
    try:
        with VideoReader(source.path) as video:
            content = storage.sha256_file(source.path)

            def has_features(number: int) -> bool:
                return is_done(source.frame_name(number), _frame_digest(video, content, number))

            def has_file(number: int) -> bool:
                return frames is None or frames.has(source.frame_name(number))

            for number, frame in video.frames(every, lambda number: not (has_features(number) and has_file(number))):
                name = source.frame_name(number)
                if frames is not None and frame is not None:  # an older file may be of another video of this name
                    frames.write(name, frame)
                grey = None if frame is None or has_features(number) else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
                yield Picture(name, source.path, _frame_digest(video, content, number), grey)
    except PhotographError as error:
        yield Picture(source.name, source.path, error=error.reason)
