"""The network: forward, training steps and every convolution alone, against the matrix-multiply peak."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from superpoint_tf.benchmarks import peak_memory as memory
from superpoint_tf.benchmarks.convolutions import Convolution, forward_flops, list_convolutions, training_flops
from superpoint_tf.benchmarks.entries import Entry, Mark, convolution_entry, rate_entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.settings import ImageShape, Settings, shape_name
from superpoint_tf.benchmarks.timing import measure
from superpoint_tf.config import CELL, Config, NetworkConfig
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.geometry.warp import warp_points
from superpoint_tf.networks.build import build_network
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task
from superpoint_tf.training.validation import ShapesValidator

_SHAPES = ((120, 160), (240, 320))
_WIDTHS = (0.5, 1.0)
_POINTS = 128  # corresponding ones of a random pair
_KINDS = ("forward", "detector step", "joint step")
_LARGEST_SHAPE, _LARGEST_PAIRS, _MEMORY_GB = (480, 640), 8, 24.0
_QUICK_KINDS = ("forward", "joint step")
_VARIANTS: dict[str, dict[str, Any]] = {  # of a joint step, against float32 without XLA; float16 is for GPUs
    "mixed_bfloat16": {"precision": "mixed_bfloat16"},
    "mixed_float16": {"precision": "mixed_float16"},
    "XLA": {"xla": True},
    "mixed_bfloat16 with XLA": {"precision": "mixed_bfloat16", "xla": True},
}


def benchmark_network(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure images a second of forward passes and training steps, then each convolution alone."""
    cases = [(width, shape) for width in _WIDTHS[: 1 if settings.quick else 2] for shape in settings.shapes(*_SHAPES)]
    kinds = _QUICK_KINDS if settings.quick else _KINDS
    runs = [(kind, *case) for case in cases for kind in kinds]
    measured = runs[-1:] if settings.quick else runs
    peaks = dict(zip(measured, memory.measure_peaks([_peak_job(*run, settings) for run in measured]), strict=True))
    width, shape = cases[-1][0], _SHAPES[0]
    for run in runs:
        entry = dataclasses.replace(_case_entry(*run, settings, limits), peak_bytes=peaks.get(run))
        yield entry
        if run == ("joint step", width, shape):
            yield from _variant_entries(width, shape, entry.value, settings)
    shape = _SHAPES[0 if settings.quick else 1]
    for width in _WIDTHS[: 1 if settings.quick else 2]:
        yield from _layer_entries(width, shape, settings, limits)
    if not settings.quick:
        yield _largest_entry(settings)


# ------------------------------------------------------------------------------------------------ whole network


def _case_entry(kind: str, width: float, shape: ImageShape, settings: Settings, limits: Limits) -> Entry:
    batch = settings.batch(shape)
    run = prepare_network(kind, width, shape, batch, settings.config.network.batch_norm)
    model = build_network(NetworkConfig(width, system="magicpoint" if kind == "detector step" else "superpoint"))
    count = forward_flops if kind == "forward" else training_flops
    flops = count(list_convolutions(model, shape))
    name = f"{kind} {shape_name(shape)}, width {width:g}, batch {_batch_name(kind, batch)}"
    return convolution_entry(name, measure(run, settings.repeats), _pictures(kind, batch), "img/s", flops, limits)


def _variant_entries(width: float, shape: ImageShape, plain_rate: float, settings: Settings) -> Iterator[Entry]:
    """Time the joint step in other precisions and with XLA; float16 has no kernels worth timing on a CPU."""
    batch = settings.batch(shape)
    variants = list(_VARIANTS.items())
    for name, training in variants[:1] if settings.quick else variants:
        if training.get("precision") == "mixed_float16" and not settings.on_gpu:
            continue
        run = prepare_network("joint step", width, shape, batch, settings.config.network.batch_norm, **training)
        yield rate_entry(
            f"  joint step {shape_name(shape)}, width {width:g}, {name}",
            measure(run, settings.repeats),
            _pictures("joint step", batch),
            "img/s",
            limit=plain_rate,
            limit_name="float32",
            note="fraction: how many times as fast",
        )


def _largest_entry(settings: Settings) -> Entry:
    """Return the memory of a joint step at full width on the largest pictures that people train on."""
    job = _peak_job("joint step", 1.0, _LARGEST_SHAPE, dataclasses.replace(settings, batch_size=2 * _LARGEST_PAIRS))
    name = f"peak memory, joint step {shape_name(_LARGEST_SHAPE)}, width 1, {_LARGEST_PAIRS} pairs"
    mark = Mark("value", at_most=_MEMORY_GB)
    try:
        (peak,) = memory.measure_peaks([job])
    except ValueError as error:  # too small a machine; what was timed before is kept
        return Entry(name, math.nan, "GB", mark=mark, note=str(error))
    return Entry(name, peak / 1e9, "GB", mark=mark, peak_bytes=peak)


def _pictures(kind: str, batch: int) -> int:
    """Return how many pictures go through the network: a joint step takes pairs, at least one."""
    return 2 * max(batch // 2, 1) if kind == "joint step" else batch


def _batch_name(kind: str, batch: int) -> str:
    return f"{_pictures(kind, batch) // 2} pairs" if kind == "joint step" else str(batch)


def _peak_job(kind: str, width: float, shape: ImageShape, settings: Settings) -> memory.Job:
    arguments = {
        "kind": kind,
        "width": width,
        "image_shape": shape,
        "batch": settings.batch(shape),
        "batch_norm": settings.config.network.batch_norm,
    }
    return memory.Job(f"{__name__}:prepare_network", arguments)


def prepare_network(
    kind: str, width: float, image_shape: ImageShape, batch: int, batch_norm: bool = True, **training: Any
) -> Callable[[], Any]:
    """Return a forward pass (both heads) or a training step on `batch` random pictures; compiled by its first call.

    `training` changes settings of the joint section.
    """
    network = NetworkConfig(width, batch_norm)
    if kind == "forward":
        model = build_network(network)
        forward = tf.function(lambda images: model(images, training=False), autograph=False)
        images = tf.random.stateless_uniform((batch, *image_shape, 1), (0, 0))
        return lambda: forward(images)
    config = Config(network=network, joint=dataclasses.replace(Config().joint, **training))
    return prepare_training_step(config, kind == "joint step", random_batch(kind == "joint step", image_shape, batch))


def prepare_training_step(config: Config, joint: bool, batch: TensorBatch) -> Callable[[], Any]:
    """Return one optimizer update of MagicPoint, or joint of SuperPoint, on a batch that is always the same."""
    source, validator = GeneratedShapes(config), ShapesValidator(config)  # neither is used: they draw when asked
    config = config.trained_as("joint" if joint else "detector")
    state = TrainingState(make_task(config, source, validator))

    def step() -> tf.Variable:
        state.train_step(batch)
        return state.model.trainable_variables[0]  # the last gradient that backward finds

    return step


def random_batch(joint: bool, image_shape: ImageShape, batch: int) -> TensorBatch:
    """Return what the input pipeline hands to a training step: `batch` pictures, of a joint step half as many pairs."""
    views, count = ("0", "1") if joint else ("",), max(batch // 2, 1) if joint else batch
    cells = (count, image_shape[0] // CELL, image_shape[1] // CELL)
    result = {}
    for number, view in enumerate(views):
        result[f"images{view}"] = tf.random.stateless_uniform((count, *image_shape, 1), (1, number))
        labels = tf.random.stateless_uniform(cells, (2, number), 0, CELL * CELL + 1, tf.int32)
        result[f"cell_labels{view}"] = labels
        result[f"cells_valid{view}"] = tf.ones(cells, tf.bool)
    if joint:
        result["homography_0to1"] = tf.tile(
            tf.constant([[[0.9, 0.1, 5.0], [-0.1, 0.9, 9.0], [0.0, 0.0, 1.0]]]), (count, 1, 1)
        )
        points = tf.random.stateless_uniform((count, _POINTS, 2), (3, 0), 0.0, float(min(image_shape)))
        result |= {"points0": points, "points1": warp_points(points, result["homography_0to1"])}
        result["shift_seeds"] = tf.tile(tf.range(count, dtype=tf.int64)[:, None], (1, 2))
    return result


# ------------------------------------------------------------------------------------------------ layer by layer


def _layer_entries(width: float, shape: ImageShape, settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Time each convolution (with bias and activation) alone, and compare their sum with the whole forward pass."""
    model = build_network(NetworkConfig(width, settings.config.network.batch_norm))
    convolutions, batch = list_convolutions(model, shape), settings.batch(shape)
    seconds = 0.0
    for convolution in convolutions:
        timing = measure(_prepare_layer(model.get_layer(convolution.name), convolution, batch), settings.repeats)
        seconds += timing.median
        entry = convolution_entry(
            f"  {convolution.name}, width {width:g}", timing, batch, "img/s", convolution.flops, limits
        )
        yield _with_memory_bound(entry, convolution, limits)
    yield _sum_entry(convolutions, seconds, width, shape, batch, settings)


def _prepare_layer(layer: tf.keras.layers.Layer, convolution: Convolution, batch: int) -> Callable[[], Any]:
    run = tf.function(lambda features: layer(features), autograph=False)
    features = tf.random.stateless_uniform((batch, *convolution.input_shape), (0, 0))
    return lambda: run(features)


def _with_memory_bound(entry: Entry, convolution: Convolution, limits: Limits) -> Entry:
    """Say how many operations a byte there are, and whether moving the bytes alone keeps the layer from its limit."""
    intensity = convolution.flops / convolution.bytes_moved
    bound = intensity * limits.device_copy_bytes
    shape = (
        f"{convolution.kernel[0]}x{convolution.kernel[1]} {convolution.input_shape[2]}>{convolution.output_shape[2]}"
    )
    note = f"{entry.note}; {shape} at {shape_name(convolution.output_shape[:2])}, {intensity:.0f} FLOP/byte"
    if bound < limits.matmul_flops:
        note += f": memory allows {bound / 1e9:,.0f} GFLOP/s"
    details = {**entry.details, "flops_per_byte": intensity, "memory_bound_gflops": bound / 1e9}
    return dataclasses.replace(entry, note=note, details=details)


def _sum_entry(
    convolutions: Sequence[Convolution], seconds: float, width: float, shape: ImageShape, batch: int, settings: Settings
) -> Entry:
    """Return the whole forward pass against all convolutions one after the other: the rest is norms, pools, copies."""
    run = prepare_network("forward", width, shape, batch, settings.config.network.batch_norm)
    timing = measure(run, settings.repeats)
    return Entry(
        f"convolutions' share of forward {shape_name(shape)}, width {width:g}",
        seconds,
        "s",
        limit=timing.median,
        limit_name="whole forward pass",
        timing=timing,
        note=f"{forward_flops(convolutions) / 1e9:.3g} GFLOP an image",
    )
