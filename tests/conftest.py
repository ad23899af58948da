"""What several tests share: quiet TensorFlow, and real data where it lies beside the checkout."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent))  # what tests share lies beside this file: picture_zoo


def stop_counting_compiled_functions() -> None:
    """Let TensorFlow 2.15 count no references to compiled functions once the process ends.

    A `tf.function` that is a module's global can die after the table of these counts, whose None that version does not
    look for, later ones do: "Exception ignored in: <function AtomicFunction.__del__ ...>" is then all that comes of it.
    """
    module = sys.modules.get("tensorflow.python.eager.polymorphic_function.atomic_function")
    if module is not None and "__del__" in vars(module.AtomicFunction):
        del module.AtomicFunction.__del__


atexit.register(stop_counting_compiled_functions)  # these calls come before modules are emptied

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED_DATA = CHECKOUT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def checkout() -> Path:
    return CHECKOUT


@pytest.fixture(scope="session")
def shared_photographs() -> Path:
    folder = SHARED_DATA / "photos"
    if not folder.is_dir():
        pytest.skip("needs the development photographs, which a public checkout does not have")
    return folder
