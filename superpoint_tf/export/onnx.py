"""ONNX: one file for onnxruntime, TensorRT, OpenVINO and others; conversion by tf2onnx, the `export` extra."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.export.graph import Graph, Outputs, Run
from superpoint_tf.runtime import storage

OPSET = 17
_AXES = ("batch", "height", "width")
_CELL_AXES = ("batch", "map_height", "map_width")  # of descriptors, one a cell
_LARGE = 256  # numbers; smaller constants stay float32


def write(
    graph: Graph, path: str | Path, precision: str, calibration: Iterable[np.ndarray], origin: dict[str, str]
) -> None:
    """Convert the graph.

    float16 stores the weights in half precision and computes in float32; int8 quantises the convolutions to the ranges
    that the `calibration` images (B, H, W, 1) give, and computes the rest in float32.
    """
    import onnx
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    model, _ = tf2onnx.convert.from_function(graph.run, graph.run.input_signature, opset=OPSET)
    if precision == "float16":
        _store_in_half(model)
    if precision == "int8":
        model = _quantise(model, calibration)
    _name_axes(model.graph)
    onnx.helper.set_model_props(model, origin)
    storage.write_bytes(path, model.SerializeToString())


def _name_axes(graph: Any) -> None:
    """Give each axis of any length its name, as runtimes show it and ask for it."""
    for value in (*graph.input, *graph.output):
        names = _CELL_AXES if value.name == "descriptors" else _AXES
        for axis, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            if not axis.dim_value:
                axis.dim_param = name


def _store_in_half(model: Any) -> None:
    """Store the large constants as float16, each followed by a cast, which onnxruntime does once when it loads."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.size >= _LARGE:
            name = constant.name
            constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [constant.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _quantise(model: Any, calibration: Iterable[np.ndarray]) -> Any:
    import onnx
    from onnxruntime import quantization

    name = model.graph.input[0].name

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._samples: Iterator[np.ndarray] = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            images = next(self._samples, None)
            return None if images is None else {name: images}

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            model,
            path,
            Reader(),
            per_channel=True,
            op_types_to_quantize=["Conv"],
        )
        return onnx.load(path)


def load(path: str | Path, threads: int) -> Run:
    """Load the file in onnxruntime, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names, (given,) = [output.name for output in session.get_outputs()], session.get_inputs()

    def run(images: np.ndarray) -> Outputs:
        return dict(zip(names, session.run(names, {given.name: images}), strict=True))

    return run
