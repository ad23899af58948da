"""Orthogonal first weights: a function of seed and layer, whatever the version of Keras (Saxe et al. 2014)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.networks.initialization import layer_generator


class ScaledOrthogonal(tf.keras.initializers.Initializer):
    """Draw kernels (..., out) whose output channels are orthogonal and of length `gain`.

    With fewer inputs than outputs the inputs' are instead. The same to float32's rounding on all machines.
    """

    def __init__(self, gain: float, seed: int, layer: str) -> None:
        self.gain, self.seed, self.layer = gain, seed, layer

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> tf.Tensor:
        generator = layer_generator(self.seed, self.layer)
        rows, columns = math.prod(shape[:-1]), shape[-1]
        basis = _orthonormal(generator.standard_normal((max(rows, columns), min(rows, columns))))
        matrix = basis if rows >= columns else basis.T
        return tf.constant(self.gain * matrix.reshape(tuple(shape)), dtype or tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed, "layer": self.layer}


def _orthonormal(matrix: np.ndarray) -> np.ndarray:
    """Return orthonormal columns, uniform over all such if the matrix is normal: its diagonal's signs are taken out."""
    q, r = np.linalg.qr(matrix)
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)
