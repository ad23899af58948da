"""The random weights that a network begins with: a pure function of seed and layer, whatever the version of Keras."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

_LIMIT = 2.0  # standard deviations
_DEVIATION_WITHIN_LIMIT = 0.8796256610342398  # of a standard normal that is cut off there


class ScaledNormal(tf.keras.initializers.Initializer):
    """Draw kernels from a truncated normal of variance `scale` / fan-in; `scale` 2 is He's for layers with ReLU."""

    def __init__(self, scale: float, seed: int, layer: str) -> None:
        self.scale, self.seed, self.layer = scale, seed, layer

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> tf.Tensor:
        deviation = math.sqrt(self.scale / math.prod(shape[:-1])) / _DEVIATION_WITHIN_LIMIT
        values = _truncated_normal(layer_generator(self.seed, self.layer), shape)
        return tf.constant(deviation * values, dtype or tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "seed": self.seed, "layer": self.layer}


def layer_generator(seed: int, layer: str) -> np.random.Generator:
    """Return the generator of a layer's first weights."""
    key = hashlib.sha256(f"{seed} {layer}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def _truncated_normal(generator: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    values = generator.standard_normal(tuple(shape))
    while (outside := np.abs(values) > _LIMIT).any():
        values[outside] = generator.standard_normal(int(outside.sum()))
    return values
