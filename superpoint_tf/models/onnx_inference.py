"""Forward passes by onnxruntime, the extra `export`: the same answers, on some processors sooner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from superpoint_tf.runtime.invocation import how_to_install
from superpoint_tf.runtime.workers import resolve_workers

_OPSET = 17


class OnnxInference:
    """A function of one tensor to a named tuple of tensors or None, converted once and run on the processor."""

    def __init__(self, run: Callable[[tf.Tensor], Any], signature: tf.TensorSpec) -> None:
        """Convert, in seconds; raises ImportError naming the extra where it is not installed."""
        try:
            import onnxruntime
            import tf2onnx
        except ImportError as error:
            raise ImportError(
                f"backend 'onnx' needs {error.name}: {how_to_install('export')}, or use backend 'tensorflow'"
            ) from error
        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        graph = tf.function(run, input_signature=[signature], autograph=False)
        self._structure = graph.get_concrete_function().structured_outputs
        model, _ = tf2onnx.convert.from_function(graph, graph.input_signature, opset=_OPSET)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = resolve_workers(-1), 3
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: tf.Tensor) -> Any:
        """Run it; tensors of the results lie on the processor."""
        found = iter(self._session.run(None, {self._input: images.numpy()}))
        leaves = [None if leaf is None else tf.constant(next(found)) for leaf in tf.nest.flatten(self._structure)]
        return tf.nest.pack_sequence_as(self._structure, leaves)
