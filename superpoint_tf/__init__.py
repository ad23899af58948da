"""SuperPoint-TF: self-supervised keypoints, trained and used in TensorFlow 2."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from superpoint_tf.runtime.quiet import import_tensorflow, quieten

if TYPE_CHECKING:
    from superpoint_tf.features import Features
    from superpoint_tf.models.dense_model import SuperPoint
    from superpoint_tf.models.patch_model import PatchModel

__version__ = "0.1.0"
__all__ = ["Features", "PatchModel", "SuperPoint", "__version__"]

if not (3, 10) <= sys.version_info < (3, 14):
    raise ImportError(
        f"SuperPoint-TF needs Python 3.10 to 3.13, this is {sys.version_info.major}.{sys.version_info.minor}: "
        "TensorFlow was not tried with others; run make PYTHON=/path/to/python3.11"
    )
_missing = [name for name in ("numpy", "yaml", "cv2", "tqdm") if importlib.util.find_spec(name) is None]
if _missing:
    raise ImportError(
        f"{', '.join(_missing)} not installed for {sys.executable}: "
        "run `source .venv/bin/activate` if make has made .venv, else install the package with pip"
    )

quieten()  # before anybody imports TensorFlow
_MODULES = {
    "SuperPoint": "superpoint_tf.models.dense_model",
    "PatchModel": "superpoint_tf.models.patch_model",
    "Features": "superpoint_tf.features",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562): TensorFlow takes six seconds."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name != "Features":
        import_tensorflow()
    return getattr(importlib.import_module(_MODULES[name]), name)
