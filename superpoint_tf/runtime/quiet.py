"""What C++ code writes to standard error, TensorFlow's import above all, held back until something fails."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold back what this process, C++ included, writes to standard error; show it if the block raises.

    Where standard error is closed, or no temporary file can be made, as on a full disk, it is let through.
    """
    with contextlib.ExitStack() as stack:
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                kept = stack.enter_context(tempfile.TemporaryFile())
                stack.enter_context(_sent_to(kept))
        yield


@contextlib.contextmanager
def _sent_to(kept: IO[bytes]) -> Iterator[None]:
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


def import_tensorflow() -> None:
    """Import TensorFlow; its messages on the way are shown if it fails, or if the level in the environment is not 3.

    Newer versions log before they read that level. What they say is lost if the process dies of it, for example on a
    CPU without AVX: TF_CPP_MIN_LOG_LEVEL=0 shows it.
    """
    with held_back() if os.environ.get(_LEVEL) == "3" else contextlib.nullcontext():
        importlib.import_module("tensorflow")
