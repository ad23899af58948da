"""What C++ code writes to standard error, held back until something fails: some of it has no setting for that."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import IO


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
