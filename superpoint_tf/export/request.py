"""What an export is asked for, and what can be: no TensorFlow is needed to refuse."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from superpoint_tf.config import DetectionConfig

FORMATS = ("savedmodel", "tflite", "onnx")
PRECISIONS = ("float32", "float16", "int8")
TFLITE_SHAPE = (480, 640)  # XNNPACK takes only graphs of a fixed shape
TABLE_SHAPE = (240, 320)
DYNAMIC = "dynamic"
ImageShape = tuple[int, int] | None  # (height, width); None: any
_SUFFIXES = {"savedmodel": ".savedmodel", "tflite": ".tflite", "onnx": ".onnx"}
_ONNX_PACKAGES = ("tf2onnx", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Form:
    """What an exported graph takes and gives."""

    image_shape: ImageShape = None
    one_image: bool = False  # a batch is always one image; else any number
    detection: DetectionConfig | None = None  # of the postprocessing; None: the network's maps come out


@dataclass(frozen=True)
class Request:
    """One file that is to be written."""

    format: str
    precision: str = "float32"
    form: Form = Form()

    def check(self) -> None:
        """Raise ValueError naming what cannot be done, and what can."""
        if self.format == "savedmodel" and self.precision != "float32":
            raise ValueError(
                f"--format savedmodel --precision {self.precision}: a SavedModel keeps float32 variables; "
                "for smaller files choose --format tflite or onnx"
            )
        if self.format == "onnx":
            check_onnx_packages()

    def default_output(self, name: str) -> Path:
        """Return the file where --output names none: the weights' name, and what is not the default."""
        parts = [name, *["keypoints"] * (self.form.detection is not None)]
        parts += [self.precision] * (self.precision != "float32")
        return Path("-".join(parts) + _SUFFIXES[self.format])

    def __str__(self) -> str:
        form = self.form
        shape = "any height and width" if form.image_shape is None else "{}x{}".format(*form.image_shape)
        gives = "maps" if form.detection is None else f"at most {form.detection.max_keypoints} keypoints"
        return f"{self.format} {self.precision} | {shape} | {gives}"


def check_onnx_packages() -> None:
    """Raise ValueError with the remedy if a package of the extra is missing."""
    missing = [name for name in _ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"--format onnx needs {', '.join(missing)}: run `pip install -e '.[export]'` in the checkout")


def parse_image_shape(words: Sequence[str] | None) -> ImageShape | str:
    """Return what --image-shape says: (height, width), None for `dynamic`, "" if it was not given; else ValueError."""
    if words is None:
        return ""
    if list(words) == [DYNAMIC]:
        return None
    if len(words) == 2 and all(word.isdigit() and int(word) > 0 for word in words):
        return int(words[0]), int(words[1])
    raise ValueError(f"--image-shape {' '.join(words)}: give a height and a width, such as 480 640, or `{DYNAMIC}`")


def resolve_form(format_name: str, shape: ImageShape | str, detection: DetectionConfig | None) -> Form:
    """Return the form for a format; a shape that was not given is any, for tflite 480x640."""
    if isinstance(shape, str):
        shape = TFLITE_SHAPE if format_name == "tflite" else None
    return Form(shape, format_name == "tflite", detection)


def table_requests(shape: ImageShape | str, detection: DetectionConfig | None) -> list[Request]:
    """Return all formats in all precisions that they have, at one shape, 240x320 if none was given."""
    shape = TABLE_SHAPE if isinstance(shape, str) else shape
    pairs = [("savedmodel", "float32"), *((name, precision) for name in FORMATS[1:] for precision in PRECISIONS)]
    return [Request(name, precision, resolve_form(name, shape, detection)) for name, precision in pairs]


def checked_detection(
    detection_threshold: float, nms_radius_px: int, border_px: int, max_keypoints: int
) -> DetectionConfig:
    """Return the settings of the postprocessing; raises ValueError naming one that is out of its range."""
    pixels = [("nms-radius-px", nms_radius_px, 0), ("border-px", border_px, 0)]
    for name, value, least in [*pixels, ("max-keypoints", max_keypoints, 1)]:
        if value < least:
            raise ValueError(f"--{name} {value}: give a whole number from {least} up")
    if not 0.0 <= detection_threshold <= 1.0:
        raise ValueError(f"--detection-threshold {detection_threshold}: a probability is from 0 to 1")
    return DetectionConfig(detection_threshold, nms_radius_px, border_px, max_keypoints)
