"""A process of this machine that is started, heard and stopped from another."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from superpoint_tf.cluster.worker import unshared
from superpoint_tf.runtime.operating_system import ending_with_parent, read_at

_MOST_BYTES = 1 << 20  # that are sent at once


class Look(NamedTuple):
    """How a process is: its exit code, None while it runs, and what it has said since the last look."""

    code: int | None
    said: bytes


class ProcessKeeper:
    """Starts one process, and ends with it: when the keeper's own process is killed, Linux kills the other too."""

    def __init__(self) -> None:
        self._reserved: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._heard = 0

    def __call__(self, request: tuple[Any, ...]) -> Any:
        """Call the method that the request's first part names with the others."""
        name, *arguments = request
        return getattr(self, name)(*arguments)

    def free_port(self, host: str) -> int:
        """Return a port of this machine that is kept free until the process starts."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._reserved = socket.socket(family, socket.SOCK_STREAM)
        self._reserved.bind((host, 0))
        return int(self._reserved.getsockname()[1])

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], folder: str, path: str) -> None:
        """Start this Python with arguments in a folder; `path` is where it finds packages that are not installed.

        Raises ValueError if the folder, or a script that the arguments name, is not there.
        """
        script = [] if arguments[0].startswith("-") else [str(Path(folder, arguments[0]))]
        for needed in (folder, *script):
            if not Path(needed).exists():
                raise unshared(needed)
        if self._reserved is not None:
            self._reserved.close()
        paths = filter(None, (os.environ.get("PYTHONPATH"), path))
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", **environment}
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (it is read until the end)
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,  # Ctrl-C is for the command, which passes it on
            preexec_fn=ending_with_parent(),
        )

    def look(self) -> Look:
        """Return how the process is."""
        assert self._process is not None and self._output is not None
        code = self._process.poll()  # before what it has said: nothing comes after it
        said = read_at(self._output.fileno(), _MOST_BYTES, self._heard)
        if code is None:
            said = said[: said.rfind(b"\n") + 1]  # whole lines
        self._heard += len(said)
        return Look(None if len(said) == _MOST_BYTES else code, said)

    def signal(self, number: int) -> None:
        """Send the process a signal, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self._process.send_signal(number)
