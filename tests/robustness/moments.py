"""Moments at which a process touches its files: they are counted and named, and at one of them it can be killed.

Python's own file operations are seen by an audit hook, those of TensorFlow's checkpoints by wrapping the functions that
write, merge, rename and delete. A kill in the middle of a file leaves its first half.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR
_HALF_A_LINE = b'{"step": 1, "ki'


@dataclass
class Moments:
    """What happens to files below `folder`; at the `skip`-th moment of `kind` (0-based) the process gets `signal`."""

    folder: str
    kind: str | None = None
    skip: int = 0
    signal: int = signal.SIGKILL
    seen: list[str] = field(default_factory=list)

    def meet(self, action: str, path: Any, before_end: Callable[[], None] = lambda: None) -> None:
        """Count a moment, and end here if it is the one; `before_end` leaves what a kill in the middle would."""
        where = os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""
        if not where.startswith(self.folder):
            return
        kind = f"{action} {_kind_of_file(where)}"
        self.seen.append(kind)
        if kind == self.kind and self.seen.count(kind) == self.skip + 1:
            with contextlib.suppress(OSError):
                if self.signal == signal.SIGKILL:
                    before_end()
            os.kill(os.getpid(), self.signal)


def _kind_of_file(path: str) -> str:
    name = re.sub(r"(\.[0-9a-f]{8})?\.part$", ".part", os.path.basename(path))
    name = re.sub(r"\.tmp[0-9a-f]+$", ".tmp", name)
    return re.sub(r"\d+", "#", name)


def watch(moments: Moments) -> None:
    """Meet every moment from now on; for the rest of the process."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            append = bool(arguments[2] & os.O_APPEND) and str(arguments[0]).endswith(".jsonl")
            moments.meet("append" if append else "open", arguments[0], lambda: _write_half_a_line(arguments[0], append))
        elif event == "os.rename":
            moments.meet("rename", arguments[1])
        elif event in ("os.remove", "os.rmdir", "os.mkdir"):
            moments.meet(event.removeprefix("os."), arguments[0])

    sys.addaudithook(hook)
    _wrap(os, "fsync", before=lambda file: _meet_half(moments, file))
    _wrap(os, "replace", after=lambda _, target: moments.meet("renamed", target))
    _watch_tensorflow(moments)


def _write_half_a_line(path: str, append: bool) -> None:
    if append:
        with open(path, "ab", buffering=0) as file:
            file.write(_HALF_A_LINE)


def _meet_half(moments: Moments, file: int) -> None:
    path = os.readlink(f"/proc/self/fd/{file}")
    moments.meet("half of", path, lambda: os.truncate(path, os.path.getsize(path) // 2))


def _watch_tensorflow(moments: Moments) -> None:
    from tensorflow.python.lib.io import file_io
    from tensorflow.python.ops import gen_io_ops, io_ops

    def data_of(prefix: Any) -> str:
        return f"{_text(prefix)}.data-00000-of-00001"

    def halve(prefix: Any) -> None:
        os.truncate(data_of(prefix), os.path.getsize(data_of(prefix)) // 2)

    def meet_saved(prefix: Any, *_: Any, **__: Any) -> None:
        moments.meet("half of", _checkpoint_of(prefix), lambda: halve(prefix))
        moments.meet("saved", _checkpoint_of(prefix))

    def meet_merged(_: Any, prefix: Any, **__: Any) -> None:
        moments.meet("merged", _text(prefix))

    _wrap(io_ops, "save_v2", after=meet_saved)
    _wrap(gen_io_ops, "merge_v2_checkpoints", after=meet_merged)
    _wrap(file_io, "rename", before=lambda _, target, *__, **___: moments.meet("rename", target))
    _wrap(file_io, "delete_file", before=lambda path, *_: moments.meet("delete", path))


def _text(prefix: Any) -> str:
    return os.fsdecode(prefix.numpy() if hasattr(prefix, "numpy") else prefix)


def _checkpoint_of(prefix: Any) -> str:
    return os.path.dirname(_text(prefix))


def _wrap(
    module: Any, name: str, before: Callable[..., None] | None = None, after: Callable[..., None] | None = None
) -> None:
    real = getattr(module, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        if before:
            before(*arguments, **named)
        result = real(*arguments, **named)
        if after:
            after(*arguments, **named)
        return result

    setattr(module, name, wrapped)
