"""Any other extractor as a method: a Python function from a grey image to keypoints, scores and descriptors.

    # my_extractor.py
    def extract(image):
        '''image: uint8 (H, W). Return keypoints (N, 2) xy, scores (N,), descriptors (N, D), or None for a detector.'''

    python tools/evaluate.py hpatches --data DIR --methods classical Mine=my_extractor.py:extract

Suppression and budget are applied to what it returns, as to every method: it should return all it finds. Keypoints
outside the frame are dropped.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import check_features, in_frame
from superpoint_tf.runtime import storage


@dataclass(frozen=True)
class PlugIn:
    """A function from outside, with what it returns checked."""

    identity: dict[str, Any]
    extract: Callable[[np.ndarray], Features]


def load_plug_in(target: str) -> PlugIn:
    """Load an extractor, `module:function` or `path/file.py:function`; see `load_function`."""
    function, identity = load_function(target)

    def extract(image: np.ndarray) -> Features:
        return _call(function, image, target)

    return PlugIn(identity, extract)


def load_function(target: str) -> tuple[Callable[[np.ndarray], Any], dict[str, Any]]:
    """Load `module:function` (importable, or in the working folder) or `path/file.py:function`, and what it is.

    The identity holds the hash of the file with the function; what that file loads itself, such as weights, is not
    seen: after a change there use --overwrite. Raises ValueError naming the target.
    """
    place, _, name = target.rpartition(":")
    module = _import(place, target)
    function = getattr(module, name, None)
    if not callable(function):
        there = ", ".join(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise ValueError(f"{target}: {place} has no function {name}; it has {there or 'none'}")
    source = getattr(module, "__file__", None)
    return function, {"function": target, "code": storage.sha256_file(source) if source else "unknown"}


def _import(place: str, target: str) -> ModuleType:
    if place.endswith(".py"):
        if not Path(place).is_file():
            raise ValueError(f"{target}: no file {place}; give file.py:function or module:function")
        _import_from(str(Path(place).resolve().parent))
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
    else:
        _import_from(os.getcwd())
        spec = _find(place)
    if spec is None or spec.loader is None:
        raise ValueError(f"{target}: no module {place} here or among the installed; give file.py:function for a file")
    try:
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(spec.name, module)
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{target}: importing {place} failed with {type(error).__name__}: {error}") from error
    return module


def _import_from(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _find(name: str) -> Any:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _call(function: Callable[[np.ndarray], Any], image: np.ndarray, target: str) -> Features:
    try:
        found = function(image)
    except Exception as error:
        raise ValueError(f"{target} failed on an image of {image.shape}: {type(error).__name__}: {error}") from error
    if not isinstance(found, tuple | list) or len(found) not in (2, 3):
        size = f" of {len(found)}" if isinstance(found, tuple | list) else ""
        expected = "a tuple (keypoints, scores, descriptors or None)"
        raise ValueError(f"{target} returned a {type(found).__name__}{size}; expected {expected}")
    keypoints, scores, descriptors = (*found, None)[:3]
    features = check_features(keypoints, scores, descriptors, target)
    return features.take(in_frame(features.keypoints, image.shape))
