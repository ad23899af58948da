"""Dispatch with a crew that is made up: order, back-pressure, deaths, errors and requests to stop."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from superpoint_tf.cluster import dispatch
from superpoint_tf.cluster.cluster import chunk_size, chunks
from superpoint_tf.cluster.dispatch import MOST_LOSSES, Answer, Dispatch
from superpoint_tf.runtime.interruption import Interrupted, StopRequest
from superpoint_tf.runtime.workers import WorkerDied


class MadeUpCrew:
    """Workers that answer in any order; `dies(number, how_often)` tells which of them die of an item."""

    def __init__(
        self,
        workers: int,
        dies: Callable[[int, int], bool] = lambda number, how_often: False,
        work: Callable[[Any], Any] = lambda item: item * item,
        seed: int = 0,
    ) -> None:
        self.workers, self.dies, self.work, self.random = workers, dies, work, random.Random(seed)
        self.held: dict[int, Any] = {}
        self.given: collections.Counter[int] = collections.Counter()

    def count(self) -> int:
        return self.workers

    def room(self) -> int:
        return self.workers - len(self.held)

    def give(self, number: int, item: Any) -> None:
        assert self.room() > 0
        self.held[number] = item
        self.given[number] += 1

    def take(self, timeout_s: float) -> list[Answer]:
        if not self.held:
            return []
        number = self.random.choice(sorted(self.held))
        item = self.held.pop(number)
        if self.dies(number, self.given[number]):
            return [Answer(number, lost="the machine is gone")]
        try:
            return [Answer(number, self.work(item))]
        except Exception as error:
            return [Answer(number, error=error)]


def results(crew: MadeUpCrew, items: Any, stop: StopRequest | None = None) -> Iterator[Any]:
    return Dispatch(crew, items, lambda item: f"item {item}").results(stop or StopRequest(), "stopped here")


@pytest.mark.parametrize("seed", range(5))
def test_results_come_in_order_though_workers_answer_in_any_and_die(seed: int):
    crew = MadeUpCrew(3, dies=lambda number, how_often: number % 4 == seed % 4 and how_often == 1, seed=seed)
    assert list(results(crew, range(20))) == [i * i for i in range(20)]
    assert sum(crew.given.values()) == 25  # each that was lost once more


def test_no_more_than_two_items_a_worker_are_read_ahead_however_late_the_first_is():
    read = []

    def items() -> Iterator[int]:
        for i in range(50):
            read.append(i)
            yield i

    crew = MadeUpCrew(3)
    crew.random.choice = lambda numbers: numbers[-1]  # type: ignore[method-assign, assignment]
    for number, result in enumerate(results(crew, items())):
        assert result == number * number and len(read) <= number + 1 + 6


def test_an_item_that_everyone_dies_of_ends_the_work_and_is_named():
    crew = MadeUpCrew(2, dies=lambda number, how_often: number == 3)
    with pytest.raises(WorkerDied, match="item 3: 4 workers died at it, the last: the machine is gone"):
        list(results(crew, range(9)))
    assert crew.given[3] == MOST_LOSSES + 1


def test_an_exception_of_the_work_is_raised_and_not_tried_again():
    crew = MadeUpCrew(1, work=lambda item: 1 // (2 - item))
    found = results(crew, range(4))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert crew.given[2] == 1


def test_a_request_to_stop_waits_for_what_is_begun_and_begins_nothing():
    crew, stop = MadeUpCrew(2), StopRequest()
    found = results(crew, range(100), stop)
    seen = [next(found)]
    stop.request()
    with pytest.raises(Interrupted, match="stopped here"):
        seen.extend(found)
    assert seen == [i * i for i in range(len(seen))] and len(seen) <= 4 and not crew.held


def test_a_request_to_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dispatch, "_GRACE_S", 0.0)
    crew, stop = MadeUpCrew(1), StopRequest()
    crew.take = lambda timeout_s: []  # type: ignore[method-assign]
    stop.request()
    work = Dispatch(crew, range(3), str)
    work._give()
    with pytest.raises(Interrupted):
        list(work.results(stop, "stopped here"))


def test_a_request_to_stop_with_the_last_item_stops_nothing():
    stop = StopRequest()
    found = results(MadeUpCrew(1), iter(range(3)), stop)
    seen = [next(found) for _ in range(3)]
    stop.request()
    assert seen + list(found) == [0, 1, 4]


def test_nothing_to_do_is_done_at_once():
    assert list(results(MadeUpCrew(2), [])) == []


def test_chunks_keep_the_order_and_are_small_where_there_are_few_items_for_many_workers():
    assert list(chunks(range(7), 3)) == [(0, 1, 2), (3, 4, 5), (6,)]

    class Ten:
        capacity = 10

    sizes = [chunk_size(total, Ten(), most=16) for total in (0, 12, 100, 10**6)]  # type: ignore[arg-type]
    assert sizes == [1, 1, 2, 16]
