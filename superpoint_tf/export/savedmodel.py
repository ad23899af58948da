"""SavedModel: a folder for TensorFlow, TensorFlow Serving and TF-TRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from superpoint_tf.export.graph import INPUT, SIGNATURE, ExportGraph, Outputs, Run
from superpoint_tf.export.request import ORIGIN_FILE
from superpoint_tf.runtime import storage


def write_savedmodel(graph: ExportGraph, folder: str | Path, origin: dict[str, str]) -> None:
    """Write the graph with its weights as variables."""
    concrete = graph.run.get_concrete_function()
    with storage.writing(folder):
        tf.saved_model.save(graph, str(folder), signatures={SIGNATURE: concrete})
    storage.write_json(Path(folder) / ORIGIN_FILE, origin)


def open_savedmodel(folder: str | Path) -> Run:
    """Load the folder as a program without this package would."""
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures[SIGNATURE]

    def run(images: np.ndarray) -> Outputs:
        return {name: value.numpy() for name, value in signature(**{INPUT: tf.constant(images)}).items()}

    run.keep = loaded  # type: ignore[attr-defined]  # its variables live as long as the object that was loaded
    return run
