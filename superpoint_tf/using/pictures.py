"""The pictures of files and videos, read ahead of the network, each with a hash of its content."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.orientation import UPRIGHT, read_orientation
from superpoint_tf.data.photographs.reading import PhotographError, decode_photograph, read_photograph_bytes
from superpoint_tf.data.photographs.stretch import OutsideWindow, stretch_levels
from superpoint_tf.data.photographs.videos import FrameFolder, VideoReader
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath
from superpoint_tf.runtime.workers import ordered_map
from superpoint_tf.using.picture_sources import Source

_READERS = 2  # threads; decoding releases the interpreter lock
_WINDOW = 4  # pictures read ahead, at most
AS_THEY_ARE = PhotographReading()


class Picture(NamedTuple):
    """A picture, or why there is none."""

    name: str
    path: str
    sha256: str = ""  # of the file, or of the video and the frame's number; another for what is turned or masked
    image: np.ndarray | None = None  # grey uint8 (H, W), as it is shown; None: done already, or cannot be read
    orientation: int = UPRIGHT  # of the file's pixels
    error: str = ""
    mask: np.ndarray | None = None  # bool (H, W), what of `image` may be used; None: all of it
    has_mask: bool = False


def read_pictures(
    sources: Sequence[Source],
    is_done: Callable[[str, str], bool],
    every: int = 1,
    frames: FrameFolder | None = None,
    reading: PhotographReading = AS_THEY_ARE,
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
            yield from ordered_map(pool, partial(_read_file, is_done, reading), sources[start:stop], _WINDOW)
        if stop < len(sources):
            yield from _read_video(sources[stop], is_done, every, frames, reading)
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


def first_digest(source: Source, reading: PhotographReading = AS_THEY_ARE) -> str:
    """Return the hash of a picture, or of a video's first frame, as `Picture` has it; raises OSError."""
    if source.is_video:
        with VideoReader(source.path) as video:
            mask_path = reading.mask_path(source.frame_name(0), source.name)
            return _frame_digest(video, storage.sha256_file(source.path), 0, mask_path)
    content = storage.read_bytes(source.path)
    return _digest(content, read_orientation(content), reading.mask_path(source.name))


def _digest(content: bytes, orientation: int, mask_path: AnyPath | None) -> str:
    """Return the hash of a picture: of one that is turned not its file's, which features of its shown pixels had."""
    plain = storage.sha256(content)
    digest = plain if orientation == UPRIGHT else storage.sha256(f"{plain} stored pixels".encode())
    return _masked_digest(digest, mask_path)


def _frame_digest(video: VideoReader, content: str, number: int, mask_path: AnyPath | None) -> str:
    turned = f" turned {video.turned_deg}" if video.turned_deg else ""  # features of before were not
    return _masked_digest(storage.sha256(f"{content} frame {number}{turned}".encode()), mask_path)


def _masked_digest(digest: str, mask_path: AnyPath | None) -> str:
    if mask_path is None or not mask_path.is_file():  # reading it says what is wrong
        return digest
    return storage.sha256(f"{digest} mask {storage.sha256_file(mask_path)}".encode())


def _read_file(is_done: Callable[[str, str], bool], reading: PhotographReading, source: Source) -> Picture:
    try:
        content = read_photograph_bytes(source.path)
        orientation, mask_path = read_orientation(content), reading.mask_path(source.name)
        digest = _digest(content, orientation, mask_path)
        picture = Picture(source.name, source.path, digest, None, orientation, has_mask=mask_path is not None)
        if is_done(source.name, digest):
            return picture
        image = decode_photograph(content, source.path, reading.stretch)
        mask = None if mask_path is None else reading.read_mask(mask_path, source.path, image.shape, orientation)
        return picture._replace(image=image, mask=mask)
    except PhotographError as error:
        return Picture(source.name, source.path, error=error.reason)


def _read_video(
    source: Source,
    is_done: Callable[[str, str], bool],
    every: int,
    frames: FrameFolder | None,
    reading: PhotographReading,
) -> Iterator[Picture]:
    try:
        with VideoReader(source.path) as video:
            content = storage.sha256_file(source.path)

            def mask_path(number: int) -> AnyPath | None:
                return reading.mask_path(source.frame_name(number), source.name)

            def digest(number: int) -> str:
                return _frame_digest(video, content, number, mask_path(number))

            def has_features(number: int) -> bool:
                return is_done(source.frame_name(number), digest(number))

            def has_file(number: int) -> bool:
                return frames is None or frames.has(source.frame_name(number))

            for number, frame in video.frames(every, lambda number: not (has_features(number) and has_file(number))):
                name, mask_at = source.frame_name(number), mask_path(number)
                picture = Picture(name, source.path, digest(number), has_mask=mask_at is not None)
                if frames is not None and frame is not None:  # an older file may be of another video of this name
                    frames.write(name, frame)
                if frame is not None and not has_features(number):
                    picture = _with_pixels(picture, frame, mask_at, reading)
                yield picture
    except PhotographError as error:
        yield Picture(source.name, source.path, error=error.reason)


def _with_pixels(picture: Picture, frame: np.ndarray, mask_path: AnyPath | None, reading: PhotographReading) -> Picture:
    """Return a picture with the pixels of its frame uint8 BGR (H, W, 3), or why it has none."""
    try:
        grey = stretch_levels(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), reading.stretch)
        mask = None if mask_path is None else reading.read_mask(mask_path, picture.name, grey.shape, UPRIGHT)
    except (OutsideWindow, PhotographError) as error:
        reason = error.reason if isinstance(error, PhotographError) else str(error)
        return Picture(picture.name, picture.path, error=reason)
    return picture._replace(image=grey, mask=mask)
