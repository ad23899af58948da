"""Homographic adaptation of one photograph: the network's share of its time, its memory, half precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from superpoint_tf.adaptation.aggregate import Adapter
from superpoint_tf.benchmarks import peak_memory as memory
from superpoint_tf.benchmarks.convolutions import forward_flops, list_convolutions
from superpoint_tf.benchmarks.entries import Entry, Mark, convolution_entry, copying_entry, rate_entry
from superpoint_tf.benchmarks.half_precision import half_precision_entries
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.settings import ImageShape, Settings, shape_name
from superpoint_tf.benchmarks.timing import Timing, measure
from superpoint_tf.config import AdaptationSection, NetworkConfig
from superpoint_tf.geometry.homography import invert_homographies, sample_homographies
from superpoint_tf.geometry.masks import compute_warp_weights
from superpoint_tf.geometry.warp import warp_images
from superpoint_tf.networks.build import build_network

_SHAPES = ((120, 160), (240, 320), (480, 640))
_TIMED, _QUICK_TIMED = 20, 10  # homographies: the time of a photograph is proportional to them
_FEW, _MANY, _QUICK_MANY = 10, 100, 50  # between which the memory must not grow
_CONSTANT = 1.1


def benchmark_adaptation(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure photographs a second against the same number of forward passes alone, the parts, and the memory."""
    for shape in settings.shapes(*_SHAPES):
        yield from _shape_entries(shape, settings, limits)
    yield from _memory_entries(settings)
    if settings.weights:  # an untrained detector has no labels to compare
        yield from half_precision_entries(settings)


# ------------------------------------------------------------------------------------------------ time


def _shape_entries(shape: ImageShape, settings: Settings, limits: Limits) -> Iterator[Entry]:
    section, repeats = settings.config.adaptation, settings.repeats
    num = min(section.num_homographies, _QUICK_TIMED if settings.quick else _TIMED)
    timed = dataclasses.replace(section, num_homographies=num)
    model = build_network(settings.config.network.with_system("magicpoint"))
    # a photograph costs this many times what is timed
    photograph = section.num_homographies / timed.num_homographies
    whole = measure(prepare_adaptation(model, timed, shape), repeats)
    forward = measure(_prepare_forward_passes(model, timed, shape), repeats)
    name = shape_name(shape)
    yield rate_entry(
        f"photographs {name}, {section.num_homographies} homographies",
        whole,
        1 / photograph,
        "img/s",
        limit=1 / (photograph * forward.median),
        limit_name="forward alone",
        note=f"width {settings.config.network.width:g}, {timed.num_homographies} timed; fraction: the network's share",
    )
    flops = forward_flops(list_convolutions(model, shape)) * section.num_homographies
    yield convolution_entry(f"  forward passes alone {name}", forward, 1 / photograph, "img/s", flops, limits)
    yield from _part_entries(shape, timed, repeats, limits)


def prepare_adaptation(model: tf.keras.Model, section: AdaptationSection, shape: ImageShape) -> Callable[[], Any]:
    """Return the aggregation of one random picture."""
    adapter, image = Adapter(model, section), tf.random.stateless_uniform(shape, (0, 0))
    return lambda: adapter(image, tf.constant([0, 1])).heatmap


def _prepare_forward_passes(
    model: tf.keras.Model, section: AdaptationSection, shape: ImageShape
) -> Callable[[], tf.Tensor]:
    """Return the forward passes of one photograph and nothing else, in the chunks of the adaptation."""
    num, chunk_size = section.num_homographies, section.chunk_size

    def add_chunk(start: tf.Tensor, total: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # the sum so far goes into the pictures, or a compiler could take the pass out of the loop
        pictures = images[: tf.minimum(chunk_size, num - start)] + 1e-9 * total
        total = total + tf.reduce_mean(model(pictures, training=False)["logits"])
        return start + chunk_size, total, images

    @tf.function(autograph=False)
    def run(images: tf.Tensor) -> tf.Tensor:
        start = (tf.constant(0), tf.constant(0.0), images)
        return tf.while_loop(lambda start, *_: start < num, add_chunk, start, parallel_iterations=1)[1]

    images = tf.random.stateless_uniform((chunk_size, *shape, 1), (0, 0))
    return lambda: run(images)


def _part_entries(shape: ImageShape, section: AdaptationSection, repeats: int, limits: Limits) -> Iterator[Entry]:
    """Time what adaptation does beside the network, for one chunk: warps there and back, and the weights."""
    chunk = section.chunk_size
    seeds = tf.stack([tf.zeros(chunk, tf.int32), tf.range(chunk)], axis=1)
    homographies = sample_homographies(seeds, shape, section.homography)
    inverses = invert_homographies(homographies)
    images = tf.random.stateless_uniform((chunk, *shape, 1), (0, 0))
    warp = tf.function(warp_images, autograph=False)
    timings: dict[str, Timing] = {
        "warping": measure(lambda: warp(images, homographies), repeats),
        "vote weights": measure(
            lambda: compute_warp_weights(homographies, inverses, shape, section.erosion_px), repeats
        ),
    }
    pixels_bytes = 4.0 * shape[0] * shape[1]
    moved = {"warping": 2 * pixels_bytes, "vote weights": pixels_bytes}
    for part, timing in timings.items():
        name = f"  {part} {shape_name(shape)}, {chunk} at once"
        yield copying_entry(name, timing, chunk, "img/s", moved[part], limits.device_copy_bytes)


# ------------------------------------------------------------------------------------------------ memory


def _memory_entries(settings: Settings) -> Iterator[Entry]:
    shape = _SHAPES[0 if settings.quick else 1]
    arguments = {"image_shape": shape, "width": settings.config.network.width}
    counts = (_FEW, _QUICK_MANY if settings.quick else _MANY)
    jobs = [memory.Job(f"{__name__}:prepare_peak", {**arguments, "num": num}) for num in counts]
    peaks = memory.measure_peaks(jobs)
    for index, (num, peak) in enumerate(zip(counts, peaks, strict=True)):
        yield Entry(
            f"peak memory {shape_name(shape)}, {num} homographies",
            peak / 1e6,
            "MB",
            limit=peaks[0] / 1e6 if index else None,
            limit_name=f"{_FEW} homographies" if index else "",
            mark=Mark("fraction", at_most=_CONSTANT) if index else None,
            peak_bytes=peak,
        )


def prepare_peak(image_shape: ImageShape, width: float, num: int) -> Callable[[], Any]:
    """Return the aggregation over `num` homographies by a fresh network, for the memory measurement."""
    shape = (image_shape[0], image_shape[1])
    model = build_network(NetworkConfig(width, system="magicpoint"))
    return prepare_adaptation(model, AdaptationSection(num_homographies=num), shape)
