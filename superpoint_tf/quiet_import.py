"""TensorFlow's import, as quiet as TF_CPP_MIN_LOG_LEVEL=3 asks for: newer ones log before they read that."""

from __future__ import annotations

import contextlib
import importlib
import os

from superpoint_tf.standard_error import held_back

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Import TensorFlow; its messages on the way are shown if it fails, or if the level in the environment is not 3.

    They are lost if the process dies of it, for example on a CPU without AVX: TF_CPP_MIN_LOG_LEVEL=0 shows them.
    """
    with held_back() if os.environ.get(_LEVEL) == "3" else contextlib.nullcontext():
        importlib.import_module("tensorflow")
