"""PyTorch checkpoints, read into our weights without executing anything that they hold."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.interop.pytorch_layouts import Layout, convert, first_few
from superpoint_tf.networks.weights import Weights, WeightsError
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_install

OLDEST_TORCH = (2, 10)  # before it `weights_only` could be led to execute code (CVE-2025-32434, CVE-2026-24747)
INSTALL = f"`{how_to_install('import')}`"
WRAPPERS = ("model_state_dict", "state_dict", "model", "net", "network", "weights")  # beside an optimizer, perhaps
_READ_AS_THEY_ARE = ("float32", "int64", "int32", "uint8", "bool")  # the last four: counters and the like
_DEEPEST = 8  # dicts in each other: one that holds itself is refused
_CONVERTED = ("float16", "bfloat16", "float64")


def load_pytorch(path: str | Path) -> tuple[Weights, Layout]:
    """Read a PyTorch checkpoint of one of the public layouts; return our weights and which layout it was.

    Raises FileNotFoundError, or WeightsError naming the file: PyTorch is missing or too old, the file is damaged or
    holds code, or its tensors are not exactly those of a layout.
    """
    content, source = storage.read_bytes(path), str(path)
    torch = _import_torch(source)
    return convert(_unwrap(_load(torch, content, source), torch.Tensor, source), source)


def _import_torch(source: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise WeightsError(f"{source}: reading it needs PyTorch ({error}): {INSTALL}") from error
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < OLDEST_TORCH:
        oldest = ".".join(str(part) for part in OLDEST_TORCH)
        raise WeightsError(
            f"{source}: PyTorch {torch.__version__} can be led to execute code in such a file; {oldest} or later is "
            f"needed: {INSTALL}"
        )
    return torch


def _load(torch: Any, content: bytes, source: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on foreign files, which end in our own error
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # pickle, zipfile and PyTorch each raise their own, and PyTorch's text advises to execute what it refused
    except Exception as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        found = f"holds code ({code[1]}), none of which was executed" if code else "damaged, or no PyTorch checkpoint"
        raise WeightsError(
            f"{source}: {found} ({type(error).__name__}); download it again, or save `model.state_dict()`"
        ) from error


def _unwrap(content: Any, tensor_type: Any, source: str) -> dict[str, np.ndarray]:
    """Return the arrays of a state_dict, alone or inside a training script's dict; floats of any size as float32.

    Raises WeightsError, beginning with `source`, for anything but dense tensors by name.
    """
    for _ in range(_DEEPEST):
        if not isinstance(content, Mapping):
            break
        inside = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inside is None:
            break
        content = inside
    expected = f"expected a state_dict, alone or as {', '.join(repr(key) for key in WRAPPERS)} of a dict"
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{source}: holds {_describe(content, tensor_type)}; {expected}")
    strange = [
        f"{name!r} is {_describe(value, tensor_type)}"
        for name, value in content.items()
        if not isinstance(name, str) or not _is_dense(value, tensor_type)
    ]
    if strange:
        raise WeightsError(f"{source}: not tensors alone: {first_few(strange)}; {expected}")
    return {
        name: (value.float() if value.is_floating_point() else value).numpy(force=True)
        for name, value in content.items()
    }


def _is_dense(value: Any, tensor_type: Any) -> bool:
    if not isinstance(value, tensor_type):
        return False
    if f"{value.layout} {value.device}" != "torch.strided cpu":
        return False
    dtype = str(value.dtype).removeprefix("torch.")
    # a few bytes can pretend to be terabytes, which converting would make of them
    whole = value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    return dtype in _READ_AS_THEY_ARE or (dtype in _CONVERTED and whole)


def _describe(value: Any, tensor_type: Any) -> str:
    if isinstance(value, tensor_type):
        return f"a tensor ({value.layout}, {value.device}, {value.dtype})"
    return f"of type {type(value).__name__}"
