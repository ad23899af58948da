"""TFLite: one file for phones, boards and XNNPACK on processors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from superpoint_tf.export.form import KEY
from superpoint_tf.export.graph import SIGNATURE, Graph, Outputs, Run, input_spec
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.quiet import held_back

_QUANTISED = {"CONV_2D"}


def write(
    graph: Graph, path: str | Path, precision: str, calibration: Iterable[np.ndarray], origin: dict[str, str]
) -> None:
    """Convert the graph.

    float16 stores the weights in half precision and computes in float32; int8 quantises the convolutions to the ranges
    that the `calibration` images (B, H, W, 1) give, and computes the rest in float32.
    """
    converter = _converter(graph)
    if precision == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content = _quantise(graph, calibration) if precision == "int8" else converter.convert()
    storage.write_bytes(path, _add_origin(content, origin))


def _converter(graph: Graph) -> tf.lite.TFLiteConverter:
    """Return a converter of the graph with its weights as constants: as variables TensorFlow 2.21 makes them NaN."""
    function = graph.run.get_concrete_function()
    constant, names = convert_variables_to_constants_v2(function), sorted(function.structured_outputs)
    (images,) = (tf.TensorSpec(tensor.shape, tensor.dtype, input_spec(graph).name) for tensor in constant.inputs)

    def run(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, constant(images), strict=True))

    frozen = tf.Module()
    frozen.run = tf.function(run, input_signature=[images], autograph=False)
    return tf.lite.TFLiteConverter.from_concrete_functions([frozen.run.get_concrete_function()], frozen)


def _quantise(graph: Graph, calibration: Iterable[np.ndarray]) -> bytes:
    """Quantise the convolutions alone.

    TFLite would give probabilities 256 levels in all, and with the postprocessing coordinates too.
    """
    others = sorted(_operations(_converter(graph).convert()) - _QUANTISED)
    converter = _converter(graph)  # one that has converted cannot do it again

    def samples() -> Iterator[list[np.ndarray]]:
        return ([images] for images in calibration)

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=others)
    debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_options=options)
    content: bytes = debugger.get_nondebug_quantized_model()
    return content


def _operations(content: bytes) -> set[str]:
    """Return the names of the operations that a model is made of."""
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    return {names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes}


def load(path: str | Path, threads: int) -> Run:
    """Do `open_tflite` without what the interpreter says."""
    with held_back():
        return open_tflite(path, threads)


def open_tflite(path: str | Path, threads: int, xnnpack: bool = True) -> Run:
    """Load the file in TensorFlow's interpreter, by default with the XNNPACK kernels that it brings."""
    resolver = tf.lite.experimental.OpResolverType
    interpreter = tf.lite.Interpreter(
        str(path),
        num_threads=threads,
        experimental_op_resolver_type=resolver.AUTO if xnnpack else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    signature = interpreter.get_signature_runner(SIGNATURE)
    (name,) = signature.get_input_details()

    def run(images: np.ndarray) -> Outputs:
        outputs: Outputs = signature(**{name: images})
        return outputs

    return run


def _add_origin(content: bytes, origin: dict[str, str]) -> bytes:
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(origin).encode(), np.uint8)
    entry.name, entry.buffer = KEY.encode(), len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
