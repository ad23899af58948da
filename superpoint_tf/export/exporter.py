"""One export from weights to a file that has been compared with TensorFlow, and what is said about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from superpoint_tf.config import DetectionConfig
from superpoint_tf.evaluation.methods.methods import extractor_of
from superpoint_tf.export.calibration import Photographs
from superpoint_tf.export.comparison import Difference, VectorDifference, compare_features, extractor_of_file
from superpoint_tf.export.files import measure_size, open_file, staged, write_file
from superpoint_tf.export.form import Form
from superpoint_tf.export.graph import ExportGraph, Graph, Run
from superpoint_tf.export.latency import time_in_turns
from superpoint_tf.export.provenance import describe_origin, weights_name
from superpoint_tf.export.repeatability import (
    FOR_MEASURING,
    NUM_PAIRS,
    Row,
    describe_quality,
    measure_repeatability,
)
from superpoint_tf.export.request import TABLE_SHAPE, Request, check_output
from superpoint_tf.export.usage import usage
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.models.images import prepare_image
from superpoint_tf.networks.weights import Weights, load_network
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.progress import Console, format_bytes, watched
from superpoint_tf.runtime.workers import resolve_workers
from superpoint_tf.systems import CropSpec

TENSORFLOW = "TensorFlow"


@dataclass(frozen=True)
class Exported:
    """A written file and what was measured on it."""

    request: Request
    path: Path
    size_bytes: int
    difference: Difference | VectorDifference
    seconds: dict[str, float]  # of a call, by runtime
    rows: list[Row]  # repeatability of TensorFlow and of the file, for a precision below float32


class AnyExporter(ABC):
    """Weights, loaded once, and the photographs that their exports are compared on."""

    def __init__(self, source: str, weights: Weights, photographs: Photographs, console: Console) -> None:
        self._source, self._weights, self.photographs, self._console = source, weights, photographs, console
        self.threads = resolve_workers(-1)

    @abstractmethod
    def graph(self, form: Form) -> Graph:
        """Return what is exported."""

    @abstractmethod
    def first_input(self, form: Form) -> np.ndarray:
        """Return what latencies are taken on, float32 (B, H, W, 1); raises ValueError if there is none."""

    @abstractmethod
    def tensorflow_call(self, form: Form, given: np.ndarray) -> Callable[[], object]:
        """Return what an exported file's call on this input replaces."""

    @abstractmethod
    def _calibration(self, request: Request) -> list[np.ndarray]: ...

    @abstractmethod
    def _compare(self, request: Request, run: Run) -> Difference | VectorDifference: ...

    @abstractmethod
    def _measure(self, request: Request, run: Run, measured: bool) -> list[Row]: ...

    @abstractmethod
    def report(self, exported: Exported) -> None:
        """Say how large and fast the file is, and how it is loaded."""

    def export(self, request: Request, output: str | Path | None = None, measured: bool = False) -> Exported:
        """Write a file, load it again, compare it with TensorFlow and say what was found.

        Repeatability is measured for a precision below float32, or for all with `measured`. Raises
        DiffersFromTensorFlow for a float32 file that differs by more than rounding: nothing is left at `output`; and
        ValueError where no such file can be written, before anything else.
        """
        path = Path(output or request.default_output(weights_name(self._source)))
        check_output(request.format, path)
        given, graph = self.first_input(request.form), self.graph(request.form)
        origin = describe_origin(self._source, self._weights, request.precision, request.form)
        self._say("plan", f"{origin['weights']}, step {origin['training_step']} | {request}")
        with staged(path) as temporary:
            inputs = self._calibration(request) if request.precision == "int8" else []
            calibration = _Watched(inputs, self._console)
            write_file(request, graph, temporary, calibration, origin)
            run = open_file(request.format, temporary, self.threads)
            difference = self._compare(request, run)
            self._say("check", str(difference))
            if request.precision == "float32":
                difference.raise_if_large()
            rows = self._measure(request, run, measured)
            calls = {TENSORFLOW: self.tensorflow_call(request.form, given), request.format: lambda: run(given)}
            seconds = time_in_turns(calls)
        if self.photographs.left_out:
            names = self.photographs.left_out
            self._say("check", f"left out: {len(names)} | {'; '.join(names[:3])}")
        return Exported(request, path, measure_size(path), difference, seconds, rows)

    def _report(self, exported: Exported, what: str, lines: str) -> None:
        times = " | ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in exported.seconds.items())
        self._say("time", f"{what}, {self.threads} threads | {times}")
        self._say("file", f"{exported.path} | {format_bytes(exported.size_bytes)}")
        print(f"\n{lines}")

    def _say(self, label: str, text: str) -> None:
        self._console.line(label, text)


@dataclass(frozen=True)
class _Watched:
    """What int8 takes its ranges from: whenever a converter goes through it, it is shown how far."""

    inputs: Sequence[np.ndarray]
    console: Console

    def __iter__(self) -> Iterator[np.ndarray]:
        return watched(self.inputs, len(self.inputs), "int8", "photographs for the ranges", self.console)


class Exporter(AnyExporter):
    """Exports of a network for pictures."""

    def __init__(self, weights: str, photographs: Photographs, console: Console) -> None:
        """Load weights; raises WeightsError naming the path, ValueError for a system that describes crops."""
        network, loaded = load_network(weights)
        super().__init__(weights, loaded, photographs, console)
        self.model = SuperPoint(network)
        if isinstance(self.model.spec, CropSpec):
            raise ValueError(
                f"{weights}: {loaded.network.system} cuts crops about its keypoints, which no exported graph does; use "
                f"it from Python, SuperPoint.from_pretrained, or by `{how_to_run('extract')}`"
            )

    def graph(self, form: Form) -> ExportGraph:
        """Return the network, perhaps with its postprocessing."""
        return ExportGraph(self.model.network, form)

    def _calibration(self, request: Request) -> list[np.ndarray]:
        images = self.photographs.for_calibration.batches(request.form.image_shape)
        return images or [self.first_input(request.form)]

    def first_input(self, form: Form) -> np.ndarray:
        """Return the image that latencies are taken on, float32 (1, H, W, 1); raises ValueError if there is none."""
        for frame in self.photographs.frames(form.image_shape or TABLE_SHAPE):
            return prepare_image(frame).numpy()[None]
        raise ValueError(f"no photograph can be read: {'; '.join(self.photographs.left_out[:3])}; pass other --images")

    def _compare(self, request: Request, run: Run) -> Difference:
        detection = request.form.detection or DetectionConfig()
        ours = extractor_of(self.model, detection)
        theirs, radius = extractor_of_file(run, request.form, detection, self.model.spec), detection.nms_radius_px
        judged = self.photographs.for_judging if request.precision == "int8" else self.photographs
        frames = watched(
            judged.frames(request.form.image_shape), len(judged.paths), "check", "photographs", self._console
        )
        decided = self.model.score_map.decided
        difference = compare_features(((ours(frame, radius), theirs(frame, radius)) for frame in frames), decided)
        if not difference.keypoints:
            raise ValueError(
                f"TensorFlow found no keypoint in {difference.images} photographs, so nothing can be compared: "
                "lower --threshold or pass other --images"
            )
        return difference

    def _measure(self, request: Request, run: Run, measured: bool) -> list[Row]:
        if not measured and request.precision == "float32":
            return []
        detection = request.form.detection or FOR_MEASURING
        methods = {
            TENSORFLOW: extractor_of(self.model, detection),
            request.format: extractor_of_file(run, request.form, detection, self.model.spec),
        }
        judged, shape = self.photographs.for_judging, request.form.image_shape
        rows = measure_repeatability(methods, judged, shape, detection.nms_radius_px, NUM_PAIRS, self._console)
        for row in rows:
            self._say("eval", f"{row['method']} | " + describe_quality(row))
        return rows

    def tensorflow_call(self, form: Form, given: np.ndarray) -> Callable[[], object]:
        """Return what an exported file's call replaces: the network's, or with postprocessing `SuperPoint.extract`."""
        if form.detection is not None:
            detection = form.detection
            return lambda: self.model.extract(given[0], detection)
        graph, tensor = self.graph(form), tf.constant(given)
        return lambda: [value.numpy() for value in graph.run(tensor).values()]

    def report(self, exported: Exported) -> None:
        """Say how large and fast the file is, and how it is loaded."""
        request = exported.request
        what = "{}x{}".format(*request.form.image_shape or TABLE_SHAPE)
        self._report(exported, what, usage(str(exported.path), request, self.model.with_descriptor, self.model.spec))
