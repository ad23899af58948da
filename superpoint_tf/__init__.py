"""SuperPoint-TF: self-supervised keypoints, trained and used in TensorFlow 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from superpoint_tf.features import Features
    from superpoint_tf.model import SuperPoint

__version__ = "0.1.0"
__all__ = ["Features", "SuperPoint", "__version__"]

_MODULES = {"SuperPoint": "superpoint_tf.model", "Features": "superpoint_tf.features"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562): TensorFlow takes six seconds."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)
