"""The arithmetic of inference: float32, or bfloat16 where that is measured to be faster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config.inference import AUTO, BFLOAT16, FLOAT32, INFERENCE_PRECISIONS
from superpoint_tf.networks.weights import Weights, load_network
from superpoint_tf.runtime.hardware import computes_bfloat16

_IMAGE_SHAPE = (1, 240, 320, 1)
_REPEATS = 5
_WORTH = 1.05  # times as fast: less is noise, and not worth another rounding


class LoadedNetwork(NamedTuple):
    """A network for inference, and why it computes as it does."""

    network: tf.keras.Model
    weights: Weights
    precision: str  # FLOAT32 or BFLOAT16
    reason: str  # empty where it was asked for


def load_for_inference(path: str | Path, precision: str = FLOAT32) -> LoadedNetwork:
    """Load a network for pictures in one of INFERENCE_PRECISIONS; weights and outputs are float32 in any case.

    AUTO runs both on a picture of 240x320 and takes bfloat16 where it is at least 1.05 times as fast; on a CPU without
    instructions for it that is not tried. Raises ValueError for another precision, WeightsError as `load_network`.
    """
    if precision not in INFERENCE_PRECISIONS:
        raise ValueError(f"precision {precision!r}: expected one of {', '.join(INFERENCE_PRECISIONS)}")
    network, weights = load_network(path, BFLOAT16 if precision == BFLOAT16 else FLOAT32)
    if precision != AUTO:
        return LoadedNetwork(network, weights, precision, "")
    if not computes_bfloat16() and not tf.config.list_physical_devices("GPU"):
        return LoadedNetwork(network, weights, FLOAT32, "this processor has no instructions for bfloat16")
    half, _ = load_network(path, BFLOAT16)
    ratio = _times_as_fast(half, network)
    reason = f"bfloat16 is {ratio:.2f} times as fast as float32 here"
    if ratio < _WORTH:
        return LoadedNetwork(network, weights, FLOAT32, reason)
    return LoadedNetwork(half, weights, BFLOAT16, reason)


def _times_as_fast(network: tf.keras.Model, other: tf.keras.Model) -> float:
    """Return the best time of `other` over that of `network`, run in turns: what disturbs one disturbs the other."""
    image = tf.random.stateless_uniform(_IMAGE_SHAPE, (0, 0))
    runs = [tf.function(lambda x, run=each: run(x, training=False), autograph=False) for each in (other, network)]
    best = [float("inf"), float("inf")]
    for repeat in range(_REPEATS + 1):  # the first compiles
        for number, run in enumerate(runs):
            began = time.perf_counter()
            tf.nest.map_structure(lambda tensor: tensor.numpy(), run(image))
            if repeat:
                best[number] = min(best[number], time.perf_counter() - began)
    return best[0] / best[1]
