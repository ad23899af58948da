"""The table of export formats; a format is a module and a row, and neither is loaded to refuse a request."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np

    from superpoint_tf.export.graph import Graph, Run

PRECISIONS = ("float32", "float16", "int8")


class Runtime(Protocol):
    """What the module of a format holds."""

    def write(
        self,
        graph: Graph,
        path: str | Path,
        precision: str,
        calibration: Iterable[np.ndarray],
        origin: dict[str, str],
    ) -> None:
        """Convert the graph and write it with its origin; int8 takes its ranges from inputs (B, H, W, 1)."""
        ...

    def load(self, path: str | Path, threads: int) -> Run:
        """Load a written file as a program without this package would."""
        ...


@dataclass(frozen=True)
class Format:
    """One format: what can be asked of it, and where its code is."""

    title: str
    suffix: str
    module: str  # its code, a `Runtime`
    usage: str  # Python that loads `{path}`, makes the variable `{input}` by `{image}`, and `outputs`, a dict by name
    precisions: tuple[str, ...] = PRECISIONS
    without: str = ""  # why it has no others
    default_shape: tuple[int, int] | None = None  # (height, width) where none is asked for; None: any
    one_image: bool = False  # a batch is always one image; else any number
    is_folder: bool = False
    packages: tuple[str, ...] = ()  # beside TensorFlow
    extra: str = ""  # of this project, which installs them

    def runtime(self) -> Runtime:
        """Import the module; TensorFlow comes with it."""
        return cast(Runtime, importlib.import_module(self.module))


FORMATS: dict[str, Format] = {
    "savedmodel": Format(
        title="SavedModel",
        suffix=".savedmodel",
        module="superpoint_tf.export.savedmodel",
        usage="""\
import cv2, numpy as np, tensorflow as tf
model = tf.saved_model.load("{path}")
{image}
outputs = model.signatures["serving_default"]({input}=tf.constant({input}))""",
        precisions=("float32",),
        without="a SavedModel keeps float32 variables",
        is_folder=True,
    ),
    "tflite": Format(
        title="TFLite",
        suffix=".tflite",
        module="superpoint_tf.export.tflite",
        usage="""\
import cv2, numpy as np, tensorflow as tf
run = tf.lite.Interpreter("{path}", num_threads=2).get_signature_runner()
{image}
outputs = run({input}={input})""",
        default_shape=(480, 640),  # XNNPACK takes only graphs of a fixed shape
        one_image=True,
    ),
    "onnx": Format(
        title="ONNX",
        suffix=".onnx",
        module="superpoint_tf.export.onnx",
        usage="""\
import cv2, numpy as np, onnxruntime
session = onnxruntime.InferenceSession("{path}", providers=["CPUExecutionProvider"])
{image}
names = [output.name for output in session.get_outputs()]
outputs = dict(zip(names, session.run(names, {{"{input}": {input}}})))""",
        packages=("tf2onnx", "onnx", "onnxruntime"),
        extra="export",
    ),
}
