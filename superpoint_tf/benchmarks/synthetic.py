"""Drawing synthetic shapes: one core, each primitive, and how it grows with processes.

Workers import this module: nothing here imports TensorFlow.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator

import cv2

from superpoint_tf.benchmarks import peak_memory as memory
from superpoint_tf.benchmarks.entries import Entry, Mark, copying_entry, rate_entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.settings import Settings, shape_name, worker_counts
from superpoint_tf.benchmarks.timing import Timing, measure
from superpoint_tf.config import Config, SyntheticSection
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.shapes.synthetic_sets import drawn_primitives
from superpoint_tf.runtime.workers import start_pool
from superpoint_tf.synthetic import SyntheticConfig, draw_sample

_PICTURES_A_SECOND = 500.0  # on one core, 120x160
_LINEAR = 0.9  # of n times one process
_TASK = 25  # pictures a worker draws at once
_TASKS, _QUICK_TASKS = 16, 3  # a worker and repeat: about a second, a fraction of one
_WORKERS_START_S = 60.0


def benchmark_synthetic(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure pictures a second before augmentation, and with it."""
    draw, count = settings.config.synthetic.draw, 60 if settings.quick else 500
    (peak,) = memory.measure_peaks([memory.Job(f"{__name__}:prepare_drawing", {"count": 100})])
    with one_core():
        yield _draw_entry("draw_sample", draw, count, settings, limits, Mark("value", _PICTURES_A_SECOND), peak)
        for primitive in drawn_primitives(draw):
            alone = dataclasses.replace(draw, primitives=(primitive,))
            yield _draw_entry(f"  {primitive}", alone, count // 4, settings, limits)
        yield _augmented_entry(settings, limits, count // 4)
    one_worker = None
    for workers in worker_counts():
        entry = _workers_entry(workers, settings, one_worker)
        one_worker = one_worker or entry.value
        yield entry


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep OpenCV on one thread; NumPy's part of drawing has no others."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def draw_numbers(draw: SyntheticConfig, start: int, count: int) -> None:
    """Draw pictures `start` to `start + count`."""
    for number in range(start, start + count):
        draw_sample(0, number, draw)


def prepare_drawing(count: int) -> Callable[[], None]:
    """Return the drawing of `count` pictures, for the memory measurement."""
    return lambda: draw_numbers(SyntheticConfig(), 0, count)


def _draw_entry(
    name: str,
    draw: SyntheticConfig,
    count: int,
    settings: Settings,
    limits: Limits,
    mark: Mark | None = None,
    peak: float | None = None,
) -> Entry:
    timing = measure(lambda: draw_numbers(draw, 0, count), settings.repeats)
    moved = 2.0 * draw.image_shape[0] * draw.image_shape[1]
    name = f"{name} {shape_name(draw.image_shape)}, one core" if mark else name
    return copying_entry(name, timing, count, "img/s", moved, limits.copy_bytes, mark=mark, peak_bytes=peak)


def _augmented_entry(settings: Settings, limits: Limits, count: int) -> Entry:
    section: SyntheticSection = settings.config.synthetic
    pictures = [draw_sample(0, number, section.draw)[0] for number in range(count)]

    def change() -> None:
        for number, picture in enumerate(pictures):
            photometric_change(picture, section.photometric, 0, number)

    moved = 2.0 * pictures[0].size
    name = f"photometric change {shape_name(pictures[0].shape)}, one core"
    return copying_entry(name, measure(change, settings.repeats), count, "img/s", moved, limits.copy_bytes)


def _workers_entry(workers: int, settings: Settings, one_worker: float | None) -> Entry:
    tasks = workers * (_QUICK_TASKS if settings.quick else _TASKS)
    pool = start_pool(workers)
    assert pool is not None  # workers > 0
    with pool:
        wait_for_workers(pool, workers)

        def draw() -> None:
            jobs = [pool.submit(_draw_task, settings.config, task * _TASK) for task in range(tasks)]
            concurrent.futures.wait(jobs)
            [job.result() for job in jobs]

        timing = measure(draw, settings.repeats)
        peak = memory.workers_peak_bytes()
    return _scaling_entry(workers, timing, tasks * _TASK, one_worker, peak)


def _scaling_entry(workers: int, timing: Timing, pictures: int, one_worker: float | None, peak: float | None) -> Entry:
    limit = workers * one_worker if one_worker else None
    return rate_entry(
        f"draw_sample, {workers} worker process{'es' if workers > 1 else ''}",
        timing,
        pictures,
        "img/s",
        limit=limit,
        limit_name=f"{workers} x one process" if limit else "",
        mark=Mark("fraction", _LINEAR) if limit else None,
        peak_bytes=peak,
        details={"workers": workers},
    )


def _draw_task(config: Config, start: int) -> None:
    draw_numbers(config.synthetic.draw, start, _TASK)


def wait_for_workers(pool: concurrent.futures.Executor, workers: int) -> None:
    """Return when every process of a pool has started: the first one would draw everything while others import."""
    deadline = time.monotonic() + _WORKERS_START_S
    seen: set[int] = set()
    while len(seen) < workers and time.monotonic() < deadline:
        seen |= {job.result() for job in [pool.submit(_process_id) for _ in range(4 * workers)]}


def _process_id() -> int:
    time.sleep(0.005)  # long enough that another process takes the next task
    return os.getpid()
