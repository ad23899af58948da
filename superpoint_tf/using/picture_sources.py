"""What a command line names as IMAGES: folders, patterns, pictures and videos, each with its name in the output."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import (
    BUNDLED,
    find_photographs,
    list_photographs,
    passed_over,
)
from superpoint_tf.data.photographs.videos import is_video
from superpoint_tf.runtime import storage, stores
from superpoint_tf.runtime.invocation import how_to_run

_REMEDY = "name a folder with pictures; a video is taken where it is named itself"
_CAMERA = re.compile(r"(?:/dev/video)?(\d{1,2})")  # how OpenCV and Linux call them
_RECORD = "here record a video first, for example ffmpeg -f v4l2 -i /dev/video0 -t 10 clip.mp4"


@dataclass(frozen=True)
class Source:
    """A picture file, a video or a camera."""

    name: str  # slash-separated path below the folder that all sources share
    path: str  # absolute, or a URL; of a camera its number

    @property
    def is_camera(self) -> bool:
        """Tell whether it is a camera: files have absolute paths."""
        return self.path.isdecimal()

    @property
    def is_video(self) -> bool:
        """Tell whether it holds frames."""
        return self.is_camera or is_video(self.path)

    def frame_name(self, number: int) -> str:
        """Return the name of a frame of this video: `<video>/000123.jpg`."""
        return f"{self.name}/{number:06d}.jpg"


def find_sources(arguments: Sequence[str]) -> list[Source]:
    """Return the pictures and videos that arguments name, sorted by name, each once.

    A folder stands for the pictures below it, a pattern (`'trip/*.jpg'`, `'**/*.png'`) for what it matches, `bundled`
    for the photographs that scikit-image ships. Names are relative to the folder given; where several arguments are
    given, to the folder that all have in common. Raises FileNotFoundError naming what is not there, and
    ValueError for several drives of Windows.
    """
    if list(arguments) == [BUNDLED] and not Path(BUNDLED).exists():
        found = find_photographs(PhotographsSection(), BUNDLED)
        arguments = [str(Path(found.root) / name) for name in (*found.train, *found.validation)]
    bases, files = [], []
    for argument in arguments:
        base, below = (_expand_url if storage.is_remote(argument) else _expand)(argument)
        bases.append(base)
        files += below
    common = common_folder(bases)
    by_name = {storage.relative(file, common): file for file in files}
    return [Source(name, by_name[name]) for name in sorted(by_name)]


def common_folder(folders: Sequence[str]) -> str:
    """Return the folder that all lie in, absolute paths or URLs; raises ValueError where there is none."""
    schemes = {stores.scheme_of(each) if storage.is_remote(each) else "" for each in folders}
    if len(schemes) > 1:
        raise ValueError(f"{', '.join(folders[:3])}: no folder in common; name those of one store, or of a disk, alone")
    if scheme := schemes.pop():
        start = f"{scheme}://"
        return start + posixpath.commonpath([each.removeprefix(start) for each in folders])
    try:
        return os.path.commonpath(folders)
    except ValueError as error:
        raise ValueError(f"{folders[0]} and others: no folder in common ({error}); name those of one drive") from error


def split_cameras(arguments: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Return the cameras that arguments name by their numbers, and the other arguments."""
    cameras = [each for each in dict.fromkeys(arguments) if each.isdecimal() and not os.path.lexists(each)]
    return [Source(f"camera {each}", each) for each in cameras], [each for each in arguments if each not in cameras]


def list_passed_over(arguments: Sequence[str]) -> list[str]:
    """Return a line on each kind of picture or video that the folders among the arguments hold and do not stand for."""
    return [line for argument in arguments if storage.as_path(argument).is_dir() for line in passed_over(argument)]


def _expand_url(argument: str) -> tuple[str, list[str]]:
    """Do `_expand` for a URL; videos are refused, since OpenCV opens those of a disk alone."""
    place = storage.as_path(argument.rstrip("/"))
    if place.is_dir():
        return str(place), [str(place / name) for name in list_photographs(place, remedy=_REMEDY)]
    if place.exists():
        base, files = str(place.parent), [str(place)]
    elif not glob.has_magic(argument):
        raise FileNotFoundError(f"{argument}: no such file or folder")
    else:
        fixed = argument[: next(at for at, letter in enumerate(argument) if letter in "*?[")]
        base, _, start = fixed.rpartition("/")
        pattern = start + argument[len(fixed) :]
        files = sorted({str(path) for path in storage.as_path(base).glob(pattern) if not path.is_dir()})
        if not files:
            raise FileNotFoundError(f"{argument}: no file matches this pattern")
    if video := next(filter(is_video, files), ""):
        raise ValueError(f"{video}: videos are read from a disk alone; copy it to one, or name pictures")
    return base, files


def _expand(argument: str) -> tuple[str, list[str]]:
    """Return the folder that one argument's names are relative to, and its files, as absolute paths."""
    camera = _CAMERA.fullmatch(argument)
    if camera and not os.path.isfile(argument) and not os.path.isdir(argument):
        shown = f"`{how_to_run('show')} {int(camera[1])}` shows a camera"
        raise FileNotFoundError(f"{argument}: no picture, video or folder; {shown}; {_RECORD}")
    path = os.path.abspath(argument)
    if os.path.isdir(path):
        return path, [os.path.join(path, name) for name in list_photographs(path, remedy=_REMEDY)]
    if os.path.lexists(path):
        return os.path.dirname(path), [path]
    if not glob.has_magic(argument):
        raise FileNotFoundError(f"{argument}: no such file or folder")
    files = [file for file in sorted(glob.glob(path, recursive=True)) if not os.path.isdir(file)]
    if not files:
        raise FileNotFoundError(f"{argument}: no file matches this pattern")
    fixed = path[: next(place for place, letter in enumerate(path) if letter in "*?[")]
    return os.path.dirname(fixed), files
