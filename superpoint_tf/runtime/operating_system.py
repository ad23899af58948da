"""What operating systems do in ways of their own: locks, renaming over files, reading at a place, counting memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import IO

WINDOWS = os.name == "nt"
_MOST_PROCESSES = 61  # that Windows lets one process wait for
_PATIENCE_S = (0.1, 0.3, 1.0)  # a virus scanner or a reader has a file open for a moment
_READING = threading.Lock()
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def lock_file(path: str | Path) -> IO[bytes]:
    """Open a file and lock it until it is closed; raises OSError if another process has it, killed ones have not."""
    file = open(path, "ab")  # noqa: SIM115 (the lock is held until it is closed)
    try:
        _lock(file.fileno())
    except BaseException:
        file.close()
        raise
    return file


def _lock(descriptor: int) -> None:
    """Lock by what the system has; where it has neither, two processes are not kept apart."""
    try:
        import fcntl
    except ImportError:
        with contextlib.suppress(ImportError):
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def replace(source: str | Path, target: str | Path) -> None:
    """Rename a file or folder over what is at `target`; Windows refuses while that is open, so it is asked again."""
    for pause in _PATIENCE_S if WINDOWS else ():
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(pause)
    os.replace(source, target)


def open_descriptor(path: str | Path) -> int:
    """Return the descriptor of a file that is to be read as bytes, by `read_at` and by this process alone."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Return bytes of a file from a place on; several threads may read one descriptor."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    with _READING:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)


def count_cores() -> int:
    """Return how many cores this process may use, of Windows at most as many as it may have processes at once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PROCESSES) if WINDOWS else cores


def own_peak_bytes() -> int:
    """Return the peak resident memory of this process; raises OSError on Windows, which Python does not ask."""
    try:
        import resource
    except ImportError as error:
        raise OSError("the peak memory of a process is not known here; run this on Linux or macOS") from error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def ending_with_parent() -> Callable[[], None] | None:
    """Return what a new process calls so that the kernel kills it when its parent is gone; None where none does so."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def parts_below(path: str) -> tuple[str, ...]:
    """Return the parts of a relative path as this system reads it; none if it leads out of the folder."""
    pure = _pure(path)
    return () if pure.anchor or ".." in pure.parts else pure.parts


def with_slashes(path: str) -> str:
    """Return a path of this system with slashes, as all names in files have them."""
    return _pure(path).as_posix()


def _pure(path: str) -> PurePath:
    return PureWindowsPath(path) if WINDOWS else PurePosixPath(path)


def joined(arguments: Sequence[str]) -> str:
    """Return arguments as one line, quoted for the shell of this system."""
    return subprocess.list2cmdline(arguments) if WINDOWS else shlex.join(arguments)
