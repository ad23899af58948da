"""One worker of a cluster: a process that gets its function once, and then item after item."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

import superpoint_tf
from superpoint_tf.runtime.quiet import quieten


class WorkerSetting(NamedTuple):
    """What a worker has in common with the process that gives it work."""

    folder: str  # that relative paths are below
    version: str  # of superpoint_tf
    num_threads: int  # of TensorFlow and OpenCV; 0: as they decide


class RemoteTraceback(Exception):
    """Where in a worker an exception was raised: the cause of what is raised here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Worker:
    """Does work, and returns exceptions as values (`result, error, traceback`): they arrive as they were raised."""

    def begin(self, setting: WorkerSetting, start: bytes) -> tuple[None, Exception | None, str]:
        """Make this process ready, then call the pickled `start` for the function that does the work."""
        _, error, trace = _outcome(lambda: self._begin(setting, start))
        return None, error, trace

    def work(self, item: Any) -> tuple[Any, Exception | None, str]:
        """Do one item."""
        return _outcome(lambda: self._function(item))

    def _begin(self, setting: WorkerSetting, start: bytes) -> None:
        if superpoint_tf.__version__ != setting.version:
            raise ValueError(
                f"superpoint_tf {superpoint_tf.__version__} is installed on {socket.gethostname()}, {setting.version} "
                "where the work is given out; install the same on all machines"
            )
        with contextlib.suppress(OSError):  # URLs need no folder that all see; `start` refuses paths that are not there
            os.chdir(setting.folder)
        quieten()
        if setting.num_threads:
            for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
                os.environ.setdefault(variable, str(setting.num_threads))
            import cv2

            cv2.setNumThreads(setting.num_threads)
        self._function: Callable[[Any], Any] = pickle.loads(start)()  # only now may TensorFlow be imported


def unshared(path: str) -> ValueError:
    """Return the error for a file or folder that a worker does not find where it was named."""
    return ValueError(
        f"{path} is not there on {socket.gethostname()}: the machines of a cluster need a file system that all see, "
        "at the same place, or URLs such as gs://bucket/photographs"
    )


def differs(what: str) -> ValueError:
    """Return the error for what a worker has otherwise than the machine where the command was started."""
    return ValueError(
        f"{what} on {socket.gethostname()} and where the command was started: all machines need the same packages "
        "and a file system that all see"
    )


def _outcome(work: Callable[[], Any]) -> tuple[Any, Exception | None, str]:
    try:
        return work(), None, ""
    except Exception as error:
        return None, _portable(error), traceback.format_exc()


def _portable(error: Exception) -> Exception:
    """Return an exception as it is if it can be sent, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
