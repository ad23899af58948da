"""What the machine can do at most, measured in the same run: a matrix multiply for convolutions, a copy for pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from superpoint_tf.benchmarks.timing import measure

_COPY_BYTES = 256_000_000
MATRIX_ON_CPU, MATRIX_ON_GPU = 2048, 8192  # side of the matrices: large enough for the peak, small enough for a second
_REPEATS = 8  # the best of them: a limit is what nothing disturbed


@dataclass(frozen=True)
class Limits:
    """Rates that nothing on this machine exceeds by much."""

    matmul_flops: float  # float32 matrix multiply on the device, FLOP/s; with TF32 where TensorFlow uses it
    copy_bytes: float  # np.copyto by one thread, bytes read and written a second
    device_copy_bytes: float  # the same on a GPU's own memory; without one, equal to copy_bytes


def measure_limits(quick: bool = False) -> Limits:
    """Measure all limits; about two seconds on a CPU, half of that if `quick`."""
    import tensorflow as tf  # workers import the modules beside this one and stay free of it

    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    repeats = _REPEATS // 2 if quick else _REPEATS
    copy_bytes = measure_copy(repeats)
    device_copy_bytes = _measure_device_copy(tf, repeats) if on_gpu else copy_bytes
    return Limits(measure_matmul(MATRIX_ON_GPU if on_gpu else MATRIX_ON_CPU, repeats), copy_bytes, device_copy_bytes)


def measure_matmul(side: int, repeats: int, dtype: Any = "float32") -> float:
    """Return the best FLOP/s of a product of two square matrices of a type; 2 n^3 operations each."""
    import tensorflow as tf

    first, second = (tf.cast(tf.random.stateless_normal((side, side), (0, number)), dtype) for number in (0, 1))
    multiply = tf.function(tf.matmul, autograph=False)
    return float(2.0 * side**3 / measure(lambda: multiply(first, second), repeats).best)


def measure_copy(repeats: int, size: int = _COPY_BYTES) -> float:
    """Return the best rate of np.copyto, bytes read and written a second."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    return 2.0 * size / measure(lambda: np.copyto(target, source), repeats).best


def _measure_device_copy(tf: Any, repeats: int) -> float:
    source = tf.zeros(_COPY_BYTES // 4)
    copy = tf.function(lambda x: x + 1.0, autograph=False)  # tf.identity would hand on the same buffer
    return 2.0 * _COPY_BYTES / measure(lambda: copy(source), repeats).best
