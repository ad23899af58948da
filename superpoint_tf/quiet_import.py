"""TensorFlow's import, as quiet as TF_CPP_MIN_LOG_LEVEL=3 asks for: newer ones log before they read that."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Import TensorFlow; its messages on the way are shown if it fails, or if the level in the environment is not 3.

    They are lost if the process dies of it, for example on a CPU without AVX: TF_CPP_MIN_LOG_LEVEL=0 shows them. Where
    standard error is closed, or no temporary file can be made, as on a full disk, they are let through.
    """
    with contextlib.ExitStack() as stack:
        if os.environ.get(_LEVEL) == "3" and sys.stderr is not None:
            with contextlib.suppress(OSError):
                kept = stack.enter_context(tempfile.TemporaryFile())
                stack.enter_context(_held_back(kept))
        importlib.import_module("tensorflow")


@contextlib.contextmanager
def _held_back(kept: IO[bytes]) -> Iterator[None]:
    """Send what this process, C++ included, writes to standard error to a file; show it if the block raises."""
    sys.stderr.flush()
    shown = os.dup(2)
    os.dup2(kept.fileno(), 2)
    try:
        yield
    except BaseException:
        kept.seek(0)
        os.write(shown, kept.read())
        raise
    finally:
        sys.stderr.flush()
        os.dup2(shown, 2)
        os.close(shown)
