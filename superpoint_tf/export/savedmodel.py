"""SavedModel: a folder for TensorFlow, TensorFlow Serving and TF-TRT."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from superpoint_tf.export.form import ORIGIN_FILE
from superpoint_tf.export.graph import SIGNATURE, Graph, Outputs, Run
from superpoint_tf.runtime import storage


def write(
    graph: Graph, path: str | Path, precision: str, calibration: Iterable[np.ndarray], origin: dict[str, str]
) -> None:
    """Write the graph with its weights as variables, float32."""
    concrete = graph.run.get_concrete_function()
    with storage.writing(path):
        tf.saved_model.save(graph, str(path), signatures={SIGNATURE: concrete})
    storage.write_json(Path(path) / ORIGIN_FILE, origin)


def load(path: str | Path, threads: int) -> Run:
    """Load the folder as a program without this package would, on as many threads as TensorFlow has."""
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures[SIGNATURE]

    (name,) = signature.structured_input_signature[1]

    def run(images: np.ndarray) -> Outputs:
        return {output: value.numpy() for output, value in signature(**{name: tf.constant(images)}).items()}

    run.keep = loaded  # type: ignore[attr-defined]  # its variables live as long as the object that was loaded
    return run
