"""Ctrl-C and SIGTERM as a polite request that long work answers at its next safe point."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(Exception):
    """Long work stopped on request, after saving; `exit_code` is what the shell expects (130 or 143)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Finished(Interrupted):
    """A signal came when the work was done: what would follow it is not begun, and nothing was stopped."""


class StopRequest:
    """Within the block, the first Ctrl-C or SIGTERM sets `requested`; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Tell whether a signal has arrived."""
        return self.signal_number is not None

    def request(self) -> None:
        """Ask for a stop as SIGTERM does, where another process has received it."""
        self.signal_number = self.signal_number or signal.SIGTERM

    def raise_if_requested(self, message: str, kind: type[Interrupted] = Interrupted) -> None:
        """Raise Interrupted, or a `kind` of it, if a signal has arrived; call it where everything is saved."""
        if self.signal_number is not None:
            raise kind(message, self.signal_number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal_number = number
        os.write(2, b"\nstopping at the next point where everything is saved ...\n")  # print may be interrupted itself

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # only there can handlers be set
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
