"""MatConvNet's networks in MATLAB files, read into our weights: TNet of the global loss (Kumar et al. 2016)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from superpoint_tf.config import NetworkConfig
from superpoint_tf.interop.origin import Origin
from superpoint_tf.interop.pytorch_layouts import first_few
from superpoint_tf.networks.build import weight_shapes
from superpoint_tf.networks.weights import Weights, WeightsError
from superpoint_tf.runtime import storage

TNET = Origin(
    "TNet's model_global_triplet_liberty.mat",
    "TNet's weights are under the Apache licence 2.0 (github.com/vijaykbg/deep-patchmatch)",
    restricted=False,
)
_NETWORK = NetworkConfig(system="tnet-tgloss")
_WHITE = 255.0  # the authors subtract and filter grey levels up to this, we up to 1


def load_matconvnet(path: str | Path) -> tuple[Weights, Origin]:
    """Read TNet from a MATLAB file of version 5, and say where it is from; nothing that it holds is executed.

    The file has `averageImage` (64, 64) and `net.layers`, whose convolutions have `weights`, their kernel (height,
    width, in, out) and their offsets. Raises FileNotFoundError, or WeightsError naming the file and what is missing or
    of another shape.
    """
    content, source = storage.read_bytes(path), str(path)
    try:
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=("net", "averageImage"))
        arrays = _arrays(variables)
    # scipy raises many kinds for a damaged file; the others are those of an array that is not the expected struct
    except Exception as error:
        raise WeightsError(
            f"{source}: damaged, or no network of MatConvNet with `net.layers` and `averageImage` "
            f"({type(error).__name__}: {error}); only {TNET.name} and its like can be read"
        ) from error
    shapes = weight_shapes(_NETWORK)
    problems = [f"{name} is unexpected" for name in arrays if name not in shapes]
    problems += [problem for name, shape in shapes.items() if (problem := _problem(name, arrays.get(name), shape))]
    if problems:
        raise WeightsError(f"{source}: differs from {TNET.name}: {first_few(problems)}; only that network can be read")
    return Weights(_NETWORK, arrays), TNET


def _arrays(variables: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return our arrays by `layer/variable`."""
    arrays = {"input/mean_image": variables["averageImage"][..., None] / _WHITE}
    layers = [cell[0, 0] for cell in variables["net"][0, 0]["layers"].ravel()]
    convolutions = [layer for layer in layers if str(layer["type"][0]) == "conv"]
    for number, layer in enumerate(convolutions, 1):
        kernel, offsets = layer["weights"].ravel()
        scale = _WHITE if number == 1 else 1.0
        arrays[f"conv_{number}/kernel"] = scale * kernel.reshape(*kernel.shape, *(1,) * (4 - kernel.ndim))
        arrays[f"conv_{number}/bias"] = offsets.ravel()
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _problem(name: str, array: np.ndarray | None, shape: tuple[int, ...]) -> str:
    if array is None:
        return f"{name} is missing"
    if array.shape != shape:
        return f"{name} {array.shape} instead of {shape}"
    return "" if np.isfinite(array).all() else f"{name} is not finite"
