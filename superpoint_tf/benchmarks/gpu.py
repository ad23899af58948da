"""What a GPU makes of this project, in minutes: each part in each precision, against the peak of that precision.

The most important figures come first; where the time is up the others are left out and counted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.benchmarks.adaptation import prepare_adaptation
from superpoint_tf.benchmarks.convolutions import forward_flops, list_convolutions, training_flops
from superpoint_tf.benchmarks.entries import Entry, Mark, convolution_entry, rate_entry
from superpoint_tf.benchmarks.limits import MATRIX_ON_CPU, MATRIX_ON_GPU, Limits, measure_matmul
from superpoint_tf.benchmarks.network import prepare_network
from superpoint_tf.benchmarks.pipeline import photographs_feed, stream_entry
from superpoint_tf.benchmarks.settings import Settings, shape_name, worker_counts
from superpoint_tf.benchmarks.timing import measure
from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import precision_policy

_SECONDS = 220.0  # of four minutes: what is being measured then is finished
_SHAPE, _PAIRS, _CHUNKS = (240, 320), (8, 16, 32, 64, 128), (10, 50, 100)  # batch sizes up; homographies at once
_SMALL_SHAPE, _SMALL_PAIRS, _SMALL_CHUNKS = (120, 160), (1, 2), (10,)  # without a GPU: to see that it works
_LABELS_MARK = Mark("value", at_least=20 * 0.110)  # 20 times two CPU cores (docs/results/benchmark.json)
_PEAK_MARK = Mark("fraction", at_least=0.40)  # joint step in bfloat16


class Precision(NamedTuple):
    """One arithmetic: the policy of the layers, of the matrices that show its peak, and whether TF32 may be used."""

    policy: str
    matrices: tf.DType
    tf32: bool = False


PRECISIONS = {
    "bfloat16": Precision("mixed_bfloat16", tf.bfloat16),
    "TF32": Precision("float32", tf.float32, tf32=True),
    "float16": Precision("mixed_float16", tf.float16),
    "float32": Precision("float32", tf.float32),
}
_ON_CPU = ("bfloat16", "float32")  # the others are of GPUs


def benchmark_gpu(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure joint step, forward pass with its exactness, adaptation and input, in the order of their importance."""
    deadline = time.monotonic() + _SECONDS
    run = GpuRun(settings, limits)
    groups = run.groups()
    for number, group in enumerate(groups):
        if time.monotonic() > deadline:
            note = f"no time left for the last {len(groups) - number} of {len(groups)} groups of figures"
            yield Entry("left out", math.nan, "", note=note)
            return
        yield from group()


class GpuRun:
    """The figures of one run; later ones are set against earlier ones."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings, self._repeats = settings, settings.repeats
        small = settings.quick or not settings.on_gpu
        self._shape = _SMALL_SHAPE if small else _SHAPE
        self._pairs: tuple[int, ...] = _SMALL_PAIRS if small else _PAIRS
        self._chunks: tuple[int, ...] = _SMALL_CHUNKS if small else _CHUNKS
        self._width = 0.25 if small else 1.0
        self._precisions = [name for name in PRECISIONS if settings.on_gpu or name in _ON_CPU]
        self._limits = dict.fromkeys(self._precisions, limits)  # each with its own matrix multiply, once measured
        self._best_pairs, self._best_rate = self._pairs[0], 0.0  # of joint steps in bfloat16, img/s

    def groups(self) -> list[Callable[[], Iterator[Entry]]]:
        """Return what is measured, most important first."""
        names = self._precisions
        return [
            *(partial(self.peak, name) for name in names),
            self.joint_steps,
            *(partial(self.labels, "bfloat16", chunk) for chunk in self._chunks),
            *(partial(self.forward, name) for name in names),
            self.input,
            *(partial(self.joint_step, name) for name in names if name != "bfloat16"),
            partial(self.labels, names[1], self._chunks[-1]),
            *(partial(self.joint_step, name, xla=True) for name in names[:2]),
        ]

    def peak(self, name: str) -> Iterator[Entry]:
        """Measure the matrix multiply of a precision, which is the limit of what follows in it."""
        side = MATRIX_ON_GPU if self._settings.on_gpu else MATRIX_ON_CPU
        with _arithmetic(name):
            flops = measure_matmul(side, self._repeats, PRECISIONS[name].matrices)
        self._limits[name] = dataclasses.replace(self._limits[name], matmul_flops=flops)
        yield Entry(f"matrix multiply, {name}", flops / 1e12, "TFLOP/s", note=f"{side} x {side}")

    def joint_steps(self) -> Iterator[Entry]:
        """Measure the joint step in bfloat16 with more and more pairs; the fastest has the mark."""
        entries = {pairs: self._joint_entry("bfloat16", pairs) for pairs in self._pairs}
        measured = {pairs: entry.value for pairs, entry in entries.items() if math.isfinite(entry.value)}
        if measured:
            self._best_pairs = max(measured, key=measured.__getitem__)
            self._best_rate = measured[self._best_pairs]
            if self._settings.on_gpu:
                entries[self._best_pairs] = dataclasses.replace(entries[self._best_pairs], mark=_PEAK_MARK)
        yield from entries.values()

    def joint_step(self, name: str, xla: bool = False) -> Iterator[Entry]:
        """Measure the joint step with as many pairs as were the fastest in bfloat16."""
        yield self._joint_entry(name, self._best_pairs, xla)

    def _joint_entry(self, name: str, count: int, xla: bool = False) -> Entry:
        policy = PRECISIONS[name].policy
        title = f"joint step {shape_name(self._shape)}, {count} pairs, {name}{', XLA' * xla}"
        flops = training_flops(list_convolutions(self._network(), self._shape))

        def timed() -> Entry:
            run = prepare_network("joint step", self._width, self._shape, 2 * count, precision=policy, xla=xla)
            timing = measure(run, self._repeats)
            return convolution_entry(title, timing, 2 * count, "img/s", flops, self._limits[name])

        return self._in_memory(title, name, timed)

    def forward(self, name: str) -> Iterator[Entry]:
        """Measure the forward pass, and how far its maps are from float32's."""
        images = tf.random.stateless_uniform((2 * self._pairs[-1], *self._shape, 1), (0, 0))
        title = f"forward {shape_name(self._shape)}, batch {len(images)}, {name}"
        flops = forward_flops(list_convolutions(self._network(), self._shape))

        def timed() -> Entry:
            with precision_policy(PRECISIONS[name].policy):
                network = self._network()
            run = tf.function(lambda x: network(x, training=False), autograph=False)
            entry = convolution_entry(
                title, measure(lambda: run(images), self._repeats), len(images), "img/s", flops, self._limits[name]
            )
            return dataclasses.replace(entry, note=f"{entry.note}; {self._exactness(run(images[:2]), images[:2])}")

        yield self._in_memory(title, name, timed)

    def labels(self, name: str, chunk: int) -> Iterator[Entry]:
        """Measure photographs labelled by 100 homographies each, so many at once."""
        section = dataclasses.replace(self._settings.config.adaptation, chunk_size=chunk)
        count = section.num_homographies
        title = f"photographs {shape_name(self._shape)}, {count} homographies, {chunk} at once, {name}"

        def timed() -> Entry:
            with precision_policy(PRECISIONS[name].policy):
                model = build_network(NetworkConfig(self._width, system="magicpoint"))
            timing = measure(prepare_adaptation(model, section, self._shape), self._repeats, warmup=1)
            mark = _LABELS_MARK if self._settings.on_gpu else None
            return rate_entry(title, timing, 1, "img/s", mark=mark)

        yield self._in_memory(title, name, timed)

    def input(self) -> Iterator[Entry]:
        """Measure pairs of photographs a second by all workers, light changed in the graph, against the joint step."""
        config = self._settings.config
        photometric = dataclasses.replace(config.photographs.photometric, backend="graph")
        photographs = dataclasses.replace(config.photographs, photometric=photometric, image_shape=self._shape)
        settings = dataclasses.replace(
            self._settings,
            config=dataclasses.replace(config, photographs=photographs),
            batch_size=self._best_pairs,
        )
        consumed = Entry("joint step", self._best_rate / 2, "pair/s")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as labels:
            yield stream_entry(photographs_feed(settings, labels), worker_counts()[-1], settings, consumed)

    def _network(self) -> tf.keras.Model:
        return build_network(NetworkConfig(self._width))

    def _exactness(self, found: dict[str, tf.Tensor], images: tf.Tensor) -> str:
        """Say how far probabilities and unit descriptors of a network are from the same network's in float32."""
        with _arithmetic("float32"):
            exact = self._network()(images, training=False)
        probabilities = [tf.nn.softmax(maps["logits"]).numpy() for maps in (found, exact)]
        units = [tf.math.l2_normalize(maps["descriptors"], -1).numpy() for maps in (found, exact)]
        largest, cosine = np.abs(probabilities[0] - probabilities[1]).max(), (units[0] * units[1]).sum(-1).min()
        return f"probabilities within {largest:.1e} of float32's, cosines of descriptors at least {cosine:.5f}"

    def _in_memory(self, title: str, name: str, timed: Callable[[], Entry]) -> Entry:
        """Return a figure with the GPU's peak memory; one without a value where the memory does not do."""
        device = "GPU:0" if self._settings.on_gpu else None
        if device:
            tf.config.experimental.reset_memory_stats(device)
        try:
            with _arithmetic(name):
                entry = timed()
        except tf.errors.ResourceExhaustedError:
            return Entry(title, math.nan, "img/s", note="the memory of the device does not do")
        peak: Any = tf.config.experimental.get_memory_info(device)["peak"] if device else None
        return dataclasses.replace(entry, peak_bytes=peak)


@contextlib.contextmanager
def _arithmetic(name: str) -> Iterator[None]:
    """Let GPUs use TF32 in matrix multiplies and convolutions of float32, or not."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(PRECISIONS[name].tf32)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
