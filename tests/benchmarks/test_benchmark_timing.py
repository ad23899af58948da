"""Medians and quartiles by eye, and how often a call is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from superpoint_tf.benchmarks import timing as timing_module
from superpoint_tf.benchmarks.limits import measure_copy
from superpoint_tf.benchmarks.timing import Timing, measure, wait_for


def test_median_and_quartiles_of_five_repeats() -> None:
    timing = Timing((5.0, 1.0, 4.0, 2.0, 3.0))
    assert timing.median == 3.0
    assert timing.quartiles == (2.0, 4.0)
    assert timing.best == 1.0
    assert timing.spread == pytest.approx(2 / 3)


def test_one_repeat_is_its_own_quartiles() -> None:
    assert Timing((0.5,)).quartiles == (0.5, 0.5)


@pytest.fixture()
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Callable[[], None]]:
    """Return what makes calls of a given length, on a clock that only they move."""
    now = [0.0]
    monkeypatch.setattr(timing_module.time, "perf_counter", lambda: now[0])

    def make(seconds: float) -> Callable[[], None]:
        def advance() -> None:
            now[0] += seconds

        return advance

    return make


def test_a_long_call_is_made_once_a_repeat_after_the_warm_up(call: Callable) -> None:
    calls, long = [], call(2.0)
    timing = measure(lambda: (long(), calls.append(1)), repeats=3, warmup=2, min_repeat_s=1.0)
    assert len(calls) == 2 + 3
    assert timing.seconds == (2.0, 2.0, 2.0)


def test_a_short_call_is_repeated_and_its_time_is_that_of_one(call: Callable) -> None:
    calls, short = [], call(0.25)
    timing = measure(lambda: (short(), calls.append(1)), repeats=2, warmup=1, min_repeat_s=1.0)
    assert len(calls) == 1 + 2 * 4
    assert timing.seconds == (0.25, 0.25)


def test_waiting_reads_one_element_of_the_last_tensor() -> None:
    read: list[object] = []

    class Tensor:
        shape = (3, 4)

        def __getitem__(self, index: object) -> Tensor:
            read.append(index)
            return self

        def numpy(self) -> float:
            return 0.0

    wait_for({"first": None, "second": [None, Tensor()]})
    wait_for(None)
    assert read == [(0, 0)]


def test_a_copy_moves_between_a_megabyte_and_ten_terabytes_a_second() -> None:
    assert 1e6 < measure_copy(repeats=1, size=1_000_000) < 1e13
