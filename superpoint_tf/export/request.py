"""What an export is asked for, and what can be: no TensorFlow is needed to refuse."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superpoint_tf.command_line import names_file
from superpoint_tf.config import DetectionConfig
from superpoint_tf.export.form import ORIGIN_FILE, Form, ImageShape
from superpoint_tf.export.formats import FORMATS
from superpoint_tf.runtime.invocation import how_to_install

TABLE_SHAPE = (240, 320)
DYNAMIC = "dynamic"
MOST_PIXELS_A_SIDE = 8192


@dataclass(frozen=True)
class Request:
    """One file that is to be written."""

    format: str
    precision: str = "float32"
    form: Form = field(default_factory=Form)

    def check(self) -> None:
        """Raise ValueError naming what cannot be done, and what can."""
        wanted = FORMATS[self.format]
        if self.precision not in wanted.precisions:
            others = " or ".join(name for name, other in FORMATS.items() if self.precision in other.precisions)
            raise ValueError(
                f"--format {self.format} --precision {self.precision}: {wanted.without}; "
                f"for smaller files choose --format {others}"
            )
        missing = [name for name in wanted.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise ValueError(f"--format {self.format} needs {', '.join(missing)}: run `{how_to_install(wanted.extra)}`")

    def default_output(self, name: str) -> Path:
        """Return the file where --output names none: the weights' name, a fixed shape, what is not the default."""
        parts = [name, *["keypoints"] * (self.form.detection is not None)]
        parts += [] if self.form.image_shape is None or self.form.patches else ["{}x{}".format(*self.form.image_shape)]
        parts += [self.precision] * (self.precision != "float32")
        return Path("-".join(parts) + FORMATS[self.format].suffix)

    def __str__(self) -> str:
        form = self.form
        shape = "any height and width" if form.image_shape is None else "{}x{}".format(*form.image_shape)
        maps = "vectors of patches" if form.patches else "maps"
        gives = maps if form.detection is None else f"at most {form.detection.max_keypoints} keypoints"
        return f"{self.format} {self.precision} | {shape} | {gives}"


def parse_image_shape(words: Sequence[str] | None) -> ImageShape | str:
    """Return what --image-shape says: (height, width), None for `dynamic`, "" if it was not given; else ValueError."""
    if words is None:
        return ""
    if list(words) == [DYNAMIC]:
        return None
    if len(words) == 2 and all(word.isascii() and word.isdigit() and int(word[:9]) > 0 for word in words):
        height, width = (int(word[:9]) for word in words)
        if max(height, width) <= MOST_PIXELS_A_SIDE:
            return height, width
    raise ValueError(
        f"--image-shape {' '.join(words)[:60]}: give a height and a width, such as 480 640, "
        f"up to {MOST_PIXELS_A_SIDE} pixels, or `{DYNAMIC}`"
    )


def resolve_form(format_name: str, shape: ImageShape | str, detection: DetectionConfig | None) -> Form:
    """Return the form for a format; a shape that was not given is the format's own, any for most."""
    wanted = FORMATS[format_name]
    return Form(wanted.default_shape if isinstance(shape, str) else shape, wanted.one_image, detection)


def table_requests(shape: ImageShape | str, detection: DetectionConfig | None) -> list[Request]:
    """Return all formats in all precisions that they have, at one shape, 240x320 if none was given."""
    shape = TABLE_SHAPE if isinstance(shape, str) else shape
    pairs = [(name, precision) for name, each in FORMATS.items() for precision in each.precisions]
    return [Request(name, precision, resolve_form(name, shape, detection)) for name, precision in pairs]


def check_output(format_name: str, output: str | Path) -> None:
    """Raise ValueError naming --output if no file of this format can be written there; nothing is created."""
    path, wanted = Path(output), FORMATS[format_name]
    of_formats = {each.suffix for each in FORMATS.values()}
    if wanted.is_folder and path.is_file():
        raise ValueError(f"--output {path}: a {wanted.title} is a folder and a file is there; choose another name")
    if path.suffix.lower() != wanted.suffix and (path.suffix.lower() in of_formats or names_file(str(path))):
        raise ValueError(f"--output {path}: the name is of another format; end it with {wanted.suffix}")
    if path.is_dir() and not (path / ORIGIN_FILE).exists():
        raise ValueError(f"--output {path}: a folder that no export made is there; choose another name")
    parent = next(each for each in path.absolute().parents if each.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(f"--output {path}: {parent} is no folder that can be written; choose another place")
