"""The descriptor loss with its gradients: block by block, doubly normalised, and with matrices of all pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import tensorflow as tf

from superpoint_tf.benchmarks import peak_memory as memory
from superpoint_tf.benchmarks.entries import Entry, Mark, convolution_entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.matrix_loss import matrix_loss
from superpoint_tf.benchmarks.settings import ImageShape, Settings, shape_name
from superpoint_tf.benchmarks.timing import measure
from superpoint_tf.config import CELL, JointSection
from superpoint_tf.losses.descriptor_loss import descriptor_loss

HINGE = JointSection()
DOUBLY = replace(HINGE, descriptor_loss="doubly_normalized", positive_weight=0.05)
_FORMS: dict[str, tuple[Callable[..., Any], JointSection]] = {
    "hinge": (descriptor_loss, HINGE),
    "matrix form": (matrix_loss, HINGE),
    "doubly normalized": (descriptor_loss, DOUBLY),
}
_SHAPES = ((120, 160), (240, 320), (480, 640))
_MARKED_SHAPE, _LARGEST = _SHAPES[1:]  # where the time, and where the memory has a mark
_PAIRS = {(120, 160): 8, (240, 320): 8, (480, 640): 1}  # as in training; matrices of 8 large pairs need gigabytes
_DIM = 256
_SLOWEST = 1.2  # times the matrix form, at 240x320
_MOST_BYTES = 64e6  # at 480x640
_LINEAR = 1.1  # peak memory may grow this much faster than the cells


def benchmark_loss(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure pairs a second, value and both gradients, and the peak memory of one pair."""
    shapes = (_MARKED_SHAPE,) if settings.quick else _SHAPES
    timed: dict[tuple[str, ImageShape], Entry] = {}
    for shape in shapes:
        for form in _FORMS:
            timed[form, shape] = entry = _time_entry(form, shape, settings, limits)
            yield entry
    yield _compared(timed["hinge", _MARKED_SHAPE], timed["matrix form", _MARKED_SHAPE])
    yield from _memory_entries(settings)


def num_cells(image_shape: ImageShape) -> int:
    """Return the number of cells of a picture."""
    return (image_shape[0] // CELL) * (image_shape[1] // CELL)


def _time_entry(form: str, shape: ImageShape, settings: Settings, limits: Limits) -> Entry:
    pairs = settings.batch_size or (2 if settings.quick else _PAIRS[shape])
    run = prepare_loss(form, shape, pairs)
    flops = 3 * 2.0 * num_cells(shape) ** 2 * _DIM  # similarities, and a product for each view's gradient
    name = f"{form} {shape_name(shape)}, batch {pairs}"
    return convolution_entry(name, measure(run, settings.repeats), pairs, "pair/s", flops, limits)


def prepare_loss(form: str, image_shape: ImageShape, pairs: int = 1) -> Callable[[], Any]:
    """Return the call that finds a loss and its gradients, its graph ready and its kernels used once on a tiny grid."""
    loss, config = _FORMS[form]

    @tf.function(autograph=False)
    def value_and_gradients(*inputs: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs[:2])
            total = loss(*inputs, config)
        return total, tape.gradient(total, inputs[:2])

    value_and_gradients(*_random_pair((2 * CELL, 3 * CELL), pairs))
    inputs = _random_pair(image_shape, pairs)
    graph = value_and_gradients.get_concrete_function(*inputs)
    return lambda: graph(*inputs)


def _random_pair(image_shape: ImageShape, pairs: int) -> tuple[tf.Tensor, ...]:
    grid = (pairs, image_shape[0] // CELL, image_shape[1] // CELL)
    maps = (tf.random.stateless_normal((*grid, _DIM), (0, view)) for view in (0, 1))
    homography = tf.constant([[[0.9, 0.1, 5.0], [-0.1, 0.9, 9.0], [1e-4, 0.0, 1.0]]])
    valid = tf.ones(grid, tf.bool)
    return (*maps, tf.tile(homography, (pairs, 1, 1)), valid, valid)


def _compared(hinge: Entry, matrix: Entry) -> Entry:
    assert hinge.timing is not None and matrix.timing is not None  # both were timed
    return Entry(
        f"hinge {shape_name(_MARKED_SHAPE)}, time a pair",
        hinge.timing.median / hinge.items,
        "s",
        limit=matrix.timing.median / matrix.items,
        limit_name="matrix form",
        mark=Mark("fraction", at_most=_SLOWEST),
    )


def _memory_entries(settings: Settings) -> Iterator[Entry]:
    """Measure the peak of one pair above inputs and gradients; the hinge form's must be linear in the cells."""
    shapes = _SHAPES[1:] if settings.quick else _SHAPES
    forms = ("hinge",) if settings.quick else tuple(_FORMS)
    cases = [(form, shape) for form in forms for shape in shapes]
    target = f"{__name__}:prepare_loss"
    jobs = [memory.Job(target, {"form": form, "image_shape": shape}) for form, shape in cases]
    peaks = {}
    for (form, shape), peak in zip(cases, memory.measure_peaks(jobs), strict=True):
        peaks[form, shape] = above = max(peak - 2 * 4.0 * num_cells(shape) * _DIM, 0.0)  # the gradients are its result
        yield _memory_entry(form, shape, above)
    for small, large in itertools.pairwise(shapes):
        growth = peaks["hinge", large] / max(peaks["hinge", small], 1.0)
        yield Entry(
            f"hinge memory, {shape_name(small)} to {shape_name(large)}",
            growth,
            "x",
            limit=num_cells(large) / num_cells(small),
            limit_name="growth of the cells",
            mark=Mark("fraction", at_most=_LINEAR),
        )


def _memory_entry(form: str, shape: ImageShape, above: float) -> Entry:
    marked = form == "hinge" and shape == _LARGEST
    return Entry(
        f"{form} {shape_name(shape)}, peak above inputs and gradients",
        above / 1e6,
        "MB",
        limit=4e-6 * num_cells(shape) ** 2,
        limit_name="one matrix of all pairs",
        mark=Mark("value", at_most=_MOST_BYTES / 1e6) if marked else None,
        peak_bytes=above,
        note="1 pair, a fresh process",
    )
