"""How long calls take beside each other: in turns, so that what else the machine does falls on all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

_CALLS_A_TURN = 3
_REST_S = 0.05  # threads of the call before may still spin


def time_in_turns(calls: Mapping[str, Callable[[], Any]], turns: int = 10) -> dict[str, float]:
    """Return the shortest seconds of each call: other load makes calls longer, never shorter.

    The first call of every turn warms up and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            time.sleep(_REST_S)
            call()
            for _ in range(_CALLS_A_TURN):
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in seconds.items()}
