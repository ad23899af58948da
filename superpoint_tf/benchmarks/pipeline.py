"""The input pipeline alone: pictures a second by number of workers, against what a training step consumes."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.benchmarks import peak_memory as memory
from superpoint_tf.benchmarks.convolutions import list_convolutions, training_flops
from superpoint_tf.benchmarks.entries import Entry, Mark, convolution_entry, copying_entry, rate_entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.network import prepare_training_step
from superpoint_tf.benchmarks.settings import Settings, shape_name, worker_counts
from superpoint_tf.benchmarks.synthetic import one_core
from superpoint_tf.benchmarks.timing import Timing, measure
from superpoint_tf.config import IMGAUG_RUNS, Config, PhotographsSection
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.labels.label_sets import LabelFiles
from superpoint_tf.data.labels.labels import Label, label_path, save_label
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.data.photographs.photograph_sets import find_photographs
from superpoint_tf.data.photographs.reading import cover_and_crop, decode_photograph
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.photometric_graph import change_pictures, photometric_seeds
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.data.sources import Source
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.networks.build import build_network
from superpoint_tf.runtime import storage

_MAX_PHOTOGRAPHS = 200  # of a folder: enough that decoding is typical
_KEYPOINTS = 100  # a photograph
_RATIO = 2.0  # to what the training step consumes
_WORKERS_END_S = 20.0
_REPEAT_S, _QUICK_REPEAT_S = 2.0, 0.5


class Feed(NamedTuple):
    """A source as a training run reads it."""

    name: str
    source: Source
    batch_size: int
    views: ViewSettings
    joint: bool  # pairs, and the joint training step

    @property
    def unit(self) -> str:
        """Return what its rate counts."""
        return "pair/s" if self.joint else "img/s"

    def stream(self, config: Config, workers: int) -> BatchStream:
        """Open the stream of batches."""
        return BatchStream(
            self.source,
            BATCHES["joint" if self.joint else "detector"],
            self.batch_size,
            self.source.key,
            self.views,
            workers,
        )


def benchmark_pipeline(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure both feeds: synthetic shapes for the detector, photograph pairs for the joint model."""
    config, counts = settings.config, worker_counts()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as labels:
        for feed in (synthetic_feed(settings), photographs_feed(settings, labels)):
            consumed = _training_entry(feed, settings, limits)
            yield consumed
            for workers in counts[-1:] if settings.quick else [0, *counts]:
                yield stream_entry(feed, workers, settings, consumed)
            with one_core():
                yield from part_entries(feed, config, settings.repeats, limits)


def synthetic_feed(settings: Settings) -> Feed:
    """Return synthetic shapes, drawn as they are needed."""
    config = settings.config
    size = settings.batch_size or (4 if settings.quick else config.detector.batch_size)
    source = GeneratedShapes(config)
    name = f"synthetic {shape_name(source.image_shape)}, batch {size}"
    return Feed(name, source, size, ViewSettings.of(config.synthetic, config.detector), joint=False)


def photographs_feed(settings: Settings, labels: str) -> Feed:
    """Return photograph pairs with random keypoints as labels, which are written to the folder `labels`."""
    config, found = settings.config, find_photographs(PhotographsSection(), settings.images)
    names = found.train[:_MAX_PHOTOGRAPHS]
    generator = np.random.default_rng(config.seed)
    for name in names:
        _write_label(storage.join(found.root, name), label_path(labels, 1, name), config, generator)
    source = LabelledPhotographs(config, found.root, LabelFiles(labels, 1, names), with_pairs=True)
    size = settings.batch_size or (1 if settings.quick else config.joint.batch_size)
    name = f"photograph pairs {shape_name(source.image_shape)}, batch {size}"
    return Feed(name, source, size, ViewSettings.of(config.photographs, config.joint), joint=True)


def _write_label(photograph: str, path: str, config: Config, generator: np.random.Generator) -> None:
    content, (height, width) = storage.read_bytes(photograph), config.photographs.image_shape
    keypoints = generator.uniform((0, 0), (width - 1, height - 1), (_KEYPOINTS, 2)).astype(np.float32)
    scores = np.ones(_KEYPOINTS, np.float32)
    save_label(path, Label(keypoints, scores, (height, width), np.eye(3), storage.sha256(content)))


# ------------------------------------------------------------------------------------------------ rates


def _training_entry(feed: Feed, settings: Settings, limits: Limits) -> Entry:
    """Return what the training step consumes, on one batch of this feed."""
    config = settings.config
    with feed.stream(config, 0) as stream, contextlib.closing(stream.batches()) as batches:  # type: ignore[type-var]
        batch = next(batches)
    step = prepare_training_step(config, feed.joint, batch)
    model = build_network(config.network.with_system("superpoint" if feed.joint else "magicpoint"))
    flops = training_flops(list_convolutions(model, feed.source.image_shape)) * (2 if feed.joint else 1)
    timing = measure(step, settings.repeats)
    name = f"training step, {feed.name}, width {config.network.width:g}"
    return convolution_entry(name, timing, feed.batch_size, feed.unit, flops, limits)


def stream_entry(feed: Feed, workers: int, settings: Settings, consumed: Entry) -> Entry:
    """Return the rate of batches that so many workers feed, against what a training step takes."""
    all_cores = workers == worker_counts()[-1]
    timing, per_repeat, peak = _time_stream(feed, workers, settings)
    return rate_entry(
        f"  {feed.name}, {workers} worker{'s' if workers != 1 else ''}",
        timing,
        per_repeat * feed.batch_size,
        feed.unit,
        limit=consumed.value,
        limit_name="training step",
        mark=Mark("fraction", _RATIO) if all_cores else None,
        peak_bytes=peak,
        note="peak: all workers" if peak else "",
        details={"workers": workers},
    )


def _time_stream(feed: Feed, workers: int, settings: Settings) -> tuple[Timing, int, float | None]:
    """Return the time of a repeat, how many batches it is, and the workers' memory; batches are taken without pause."""
    with feed.stream(settings.config, workers) as stream:
        batches = stream.batches()
        wanted_s = _QUICK_REPEAT_S if settings.quick else _REPEAT_S
        # Over a time, never over one batch: those of two workers come in twos, the second one at once.
        began = time.perf_counter()
        taken = 0
        while taken < 2 * max(workers, 1) + 4 or time.perf_counter() - began < wanted_s:
            next(batches)
            taken += 1
        per_repeat = max(round(wanted_s * taken / (time.perf_counter() - began)), max(workers, 1))

        def take() -> None:
            for _ in range(per_repeat):
                batch = next(batches)
            batch["images0" if feed.joint else "images"][0, 0, 0, 0].numpy()

        timing = measure(take, settings.repeats, min_repeat_s=0.0)
        peak = memory.workers_peak_bytes() if workers else None
    for worker in multiprocessing.active_children():  # they finish what they have, and would disturb what comes next
        worker.join(timeout=_WORKERS_END_S)
    return timing, per_repeat, peak


# ------------------------------------------------------------------------------------------------ parts


def part_entries(feed: Feed, config: Config, repeats: int, limits: Limits) -> Iterator[Entry]:
    """Time what workers do (one core) and what the batched graph does, for pixels against a copy of them."""
    payloads = feed.source.payloads(range(feed.batch_size))
    rendered = feed.source.render(payloads)
    pixels = rendered["images"][0].size
    views = 2 if feed.joint else 1
    whole = measure(lambda: feed.source.render(payloads), repeats)
    name = f"  {feed.name}: a worker's part, one core"
    yield copying_entry(name, whole, feed.batch_size, feed.unit, 2.0 * views * pixels, limits.copy_bytes)
    photometric = dataclasses.replace(
        (config.photographs if feed.joint else config.synthetic).photometric, backend="imgaug"
    )
    picture = rendered["images"][0]
    numbers = iter(range(2**31))
    if IMGAUG_RUNS:
        change = measure(lambda: photometric_change(picture, photometric, 0, next(numbers)), repeats, min_repeat_s=0.3)
        yield copying_entry("    photometric change by imgaug", change, 1, "img/s", 2.0 * pixels, limits.copy_bytes)
    images = tf.constant(rendered["images"])
    seeds = photometric_seeds(0, tf.range(len(images), dtype=tf.int64), 0)
    in_graph = measure(lambda: change_pictures(images, seeds, photometric).numpy(), repeats)
    name, moved = "    photometric change in the graph", 2.0 * pixels
    yield copying_entry(name, in_graph, len(images), "img/s", moved, limits.device_copy_bytes)
    if feed.joint:
        paths = [feed.source.picture_name(number) for number in range(feed.batch_size)]
        decode = measure(_decode_all(paths, feed.source.image_shape), repeats)
        yield copying_entry("    read, decode, crop", decode, len(payloads), "img/s", 2.0 * pixels, limits.copy_bytes)
    graph = measure(_geometry(feed, rendered), repeats)
    moved = 4.0 * views * pixels + pixels * views  # bytes in, float32 out
    name = f"  {feed.name}: warp, mask, labels in one graph"
    yield copying_entry(name, graph, feed.batch_size, feed.unit, moved, limits.device_copy_bytes)


def _decode_all(paths: list[str], image_shape: tuple[int, int]) -> Callable[[], None]:
    def decode() -> None:
        for path in paths:
            cover_and_crop(decode_photograph(storage.read_bytes(path), path), image_shape)

    return decode


def _geometry(feed: Feed, rendered: dict[str, np.ndarray]) -> Callable[[], dict[str, tf.Tensor]]:
    make = pair_batch if feed.joint else detector_batch
    run = tf.function(lambda batch: make(batch, feed.source.key, feed.views), autograph=False)
    with tf.device("CPU"):  # where tf.data runs it
        batch = {name: tf.constant(values) for name, values in rendered.items()}

    def geometry() -> dict[str, tf.Tensor]:
        with tf.device("CPU"):
            result: dict[str, tf.Tensor] = run(batch)
        return result

    return geometry
