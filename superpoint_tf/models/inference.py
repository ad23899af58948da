"""Compiled forward passes whose memory does not grow with the number of sizes and counts they have seen.

On a CPU TensorFlow's convolutions are oneDNN's, and it keeps those made for the last 1024 shapes of each thread. Where
bias and ReLU were fused into a convolution, one that falls out of that store and is made again leaves some 50 kB behind
(measured with TensorFlow 2.15). One that is not fused leaves nothing, but takes a few per cent more time. So a process
fuses while few sizes have come by, and from then on no more. Where the number of patches varies, few are seen at all.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

_FEW_COUNTS = (1, 8, 32)  # of patches or other rows; above, multiples of a step
_MAX_FUSED_SIZES = 48  # of all networks of the process together; some 12 convolutions each: well below 1024
_FUSING = "remapping"  # what TensorFlow's optimizer calls it

_numbers = itertools.count()
_seen: set[tuple[int, tuple[int, ...]]] = set()  # network and shape


class CompiledInference:
    """A function of one tensor of varying shape, compiled once."""

    def __init__(self, run: Callable[[tf.Tensor], Any], signature: tf.TensorSpec) -> None:
        self._run = tf.function(run, input_signature=[signature], autograph=False)
        self._number = next(_numbers)
        self._on_gpu = bool(tf.config.list_physical_devices("GPU"))

    def __call__(self, images: tf.Tensor) -> Any:
        """Run it, on a tensor or within a graph."""
        if self._on_gpu or not tf.executing_eagerly() or self._fits(tuple(images.shape)):
            return self._run(images)
        with _without_fusing():
            return self._run(images)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        """Note a shape; tell whether all of this process so far are few enough to be kept."""
        if len(_seen) <= _MAX_FUSED_SIZES:
            _seen.add((self._number, shape))
        return len(_seen) <= _MAX_FUSED_SIZES


def with_few_counts(run: Callable[..., tf.Tensor], step: int = _FEW_COUNTS[-1]) -> Callable[..., tf.Tensor]:
    """Return a function of tensors (N, ...) to (N, ...) that is run at few N alone: zeros fill up, and are cut off.

    Above 32 these are the multiples of `step`.
    """

    def filled_up(*tensors: tf.Tensor) -> tf.Tensor:
        count = int(tensors[0].shape[0])
        missing = _next_count(count, step) - count
        if not missing:
            return run(*tensors)
        return run(*(tf.pad(each, [[0, missing], *[[0, 0]] * (each.shape.rank - 1)]) for each in tensors))[:count]

    return filled_up


def _next_count(count: int, step: int) -> int:
    return next((each for each in _FEW_COUNTS if each >= count), -(-count // step) * step)


@contextlib.contextmanager
def _without_fusing() -> Iterator[None]:
    """Let TensorFlow compile and run without fusing; other functions of the process keep it."""
    before = tf.config.optimizer.get_experimental_options().get(_FUSING, True)
    tf.config.optimizer.set_experimental_options({_FUSING: False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_FUSING: before})
