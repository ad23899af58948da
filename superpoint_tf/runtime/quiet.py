"""What C++ code writes to standard error, TensorFlow's import above all, held back until something fails."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import IO

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_shown: list[int] = []  # where standard error went before it was held back, the outermost first


def quieten() -> None:
    """Keep TensorFlow's messages of starting up from the user, who may set TF_CPP_MIN_LOG_LEVEL=0 to see them.

    It does nothing to a TensorFlow that is imported already.
    """
    os.environ.setdefault(_LEVEL, "3")
    os.environ.setdefault("TFA_CHECK_VERSION", "0")
    # tensorflow-addons announces its end of life on every import; setup.cfg says which versions are used and why
    warnings.filterwarnings("ignore", category=UserWarning, module="tensorflow_addons")


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
def let_through() -> Iterator[None]:
    """Within `held_back`, write to standard error all the same: what is meant for a user, such as a bar."""
    if not _shown:
        yield
        return
    sys.stderr.flush()
    held = os.dup(2)
    os.dup2(_shown[0], 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(held, 2)
        os.close(held)


@contextlib.contextmanager
def _sent_to(kept: IO[bytes]) -> Iterator[None]:
    sys.stderr.flush()
    shown = os.dup(2)
    _shown.append(shown)
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
        _shown.remove(shown)
        os.close(shown)


def import_tensorflow() -> None:
    """Import TensorFlow; its messages on the way are shown if it fails, or if the level in the environment is not 3.

    Newer versions log before they read that level, on the import and when they look for GPUs. What they say is lost if
    the process dies of it, for example on a CPU without AVX: TF_CPP_MIN_LOG_LEVEL=0 shows it.
    """
    if "tensorflow" in sys.modules:
        return
    with _silence():
        importlib.import_module("tensorflow").config.list_physical_devices()


@functools.cache
def start_xla() -> None:
    """Start XLA, which says so once in a process whatever the level is; to be called before anything is compiled."""
    import tensorflow as tf

    with _silence():
        tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros(1))


def _silence() -> contextlib.AbstractContextManager[None]:
    return held_back() if os.environ.get(_LEVEL) == "3" else contextlib.nullcontext()
