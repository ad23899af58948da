"""Waiting for other processes: asked every two seconds, said at once and then every minute, stopped at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable

from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console

_POLL_S, _REMIND_S = 2.0, 60.0


def wait_for(
    condition: Callable[[], bool],
    whom: Callable[[], str],
    console: Console,
    label: str,
    stop: StopRequest,
    kept: str = "",
) -> None:
    """Return once the condition holds; `whom` says for whom it waits at present, on lines of this label.

    Raises Interrupted when `stop` asks for it, with `kept` after its reason.
    """
    said = -_REMIND_S
    while not condition():
        if stop.requested or time.monotonic() - said >= _REMIND_S:  # asking for whom may cost as much as the condition
            waiting = f"waiting for {whom()}"
            stop.raise_if_requested(f"stopped while {waiting}{kept}")
            console.line(label, waiting)
            said = time.monotonic()
        time.sleep(_POLL_S)
