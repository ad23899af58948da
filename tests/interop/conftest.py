"""What the tests of PyTorch checkpoints share: their content, as arrays, made without PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from superpoint_tf.interop.pytorch_layouts import Layout

CHANNELS = {  # into and out of each convolution, and its side (paper section 3)
    "encoder_1a": (1, 64, 3),
    "encoder_1b": (64, 64, 3),
    "encoder_2a": (64, 64, 3),
    "encoder_2b": (64, 64, 3),
    "encoder_3a": (64, 128, 3),
    "encoder_3b": (128, 128, 3),
    "encoder_4a": (128, 128, 3),
    "encoder_4b": (128, 128, 3),
    "detector_a": (128, 256, 3),
    "detector_b": (256, 65, 1),
    "descriptor_a": (128, 256, 3),
    "descriptor_b": (256, 256, 1),
}


@pytest.fixture(scope="session")
def state_of() -> Callable[[Layout], dict[str, np.ndarray]]:
    return make_state


def make_state(layout: Layout) -> dict[str, np.ndarray]:
    """Return arrays with a checkpoint's names and shapes, every value another."""
    shapes: dict[str, tuple[int, ...]] = {}
    for ours, (channels_in, channels_out, side) in CHANNELS.items():
        theirs = layout.layers[ours]
        shapes[f"{theirs}.weight"] = (channels_out, channels_in, side, side)
        shapes[f"{theirs}.bias"] = (channels_out,)
        for variable in ("weight", "bias", "running_mean", "running_var") * layout.network.batch_norm:
            shapes[f"{layout.layers[f'{ours}_bn']}.{variable}"] = (channels_out,)
    random = np.random.default_rng(0)
    return {name: random.random(shape, np.float32) for name, shape in shapes.items()}
