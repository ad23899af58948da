"""Timing a call: warm-up, several repeats, median and quartiles."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MIN_REPEAT_S = 0.05  # a repeat is at least this long: shorter calls are made several times in one


@dataclass(frozen=True)
class Timing:
    """Seconds a call took, once a repeat."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the median, seconds."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """Return the shortest, seconds: what a limit is made of."""
        return min(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Return the first and the third quartile, seconds; of one repeat both are that one."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return first, third

    @property
    def spread(self) -> float:
        """Return the distance of the quartiles as a share of the median: large if something else was running."""
        return (self.quartiles[1] - self.quartiles[0]) / self.median


def measure(function: Callable[[], Any], repeats: int, warmup: int = 2, min_repeat_s: float = MIN_REPEAT_S) -> Timing:
    """Time `function`: `warmup` calls that do not count, then `repeats` measurements, each waited for.

    The first warm-up call may compile; the last one (there is at least one) decides how many calls a measurement is
    made of.
    """
    for _ in range(max(warmup, 1)):
        last_warmup_s = _time_calls(function, 1)
    calls = math.ceil(min_repeat_s / max(last_warmup_s, 1e-7)) if last_warmup_s < min_repeat_s else 1
    return Timing(tuple(_time_calls(function, calls) / calls for _ in range(repeats)))


def _time_calls(function: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        result = function()
    wait_for(result)
    return time.perf_counter() - start


def wait_for(result: Any) -> None:
    """Wait until a device has computed `result`: a tensor or variable, or the last of several; else do nothing.

    One element is copied to the host, which no device can do before it has finished.
    """
    while isinstance(result, (tuple, list, dict)) and result:
        result = list(result.values())[-1] if isinstance(result, dict) else result[-1]
    if hasattr(result, "numpy"):
        result[(0,) * len(result.shape)].numpy() if len(result.shape) else result.numpy()
