"""Items given to workers that may die: results in order, few items ahead, and what a dead worker had is given again."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.workers import WorkerDied

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_LOSSES = 3  # of one item: whoever takes it dies, and would a fourth time
_NONE = object()  # no item
_AHEAD = 2  # items a worker that may be read before the results of earlier ones are there
_POLL_S = 0.5  # between looks at Ctrl-C
_GRACE_S = 10.0  # from a request to stop to the end of what workers are at


class Answer(NamedTuple):
    """What came of the item of a number: its result, the exception that the work raised, or why its worker is gone."""

    number: int
    result: Any = None
    error: Exception | None = None
    lost: str = ""


class Crew(Protocol):
    """Workers, some of which may be gone at any moment, and others come."""

    def count(self) -> int:
        """Return how many workers there are."""
        ...

    def room(self) -> int:
        """Return how many items they would take now."""
        ...

    def give(self, number: int, item: Any) -> None:
        """Give an item to a worker that is free."""
        ...

    def take(self, timeout_s: float) -> list[Answer]:
        """Return the answers that are there, at the latest after `timeout_s` none."""
        ...


class Dispatch(Generic[Item, Result]):
    """Give `items` to a crew and hand out the results.

    At most two items a worker are read, worked on or finished before their turn: memory stays flat. `describe` names an
    item in messages.
    """

    def __init__(self, crew: Crew, items: Iterable[Item], describe: Callable[[Item], str]) -> None:
        self._crew, self._describe = crew, describe
        self._items = iter(items)
        self._is_exhausted = False
        self._given: dict[int, Item] = {}  # and not answered
        self._lost: collections.deque[tuple[int, Item]] = collections.deque()
        self._losses: collections.Counter[int] = collections.Counter()
        self._results: dict[int, Result] = {}  # before their turn
        self._read = self._next = 0

    def results(self, stop: StopRequest, stopped: str) -> Iterator[Result]:
        """Yield the result of each item, in the order of the items; an exception of the work is raised.

        When `stop` asks for it, what is finished within ten seconds is still yielded, then Interrupted is raised with
        the message `stopped`, unless that was all. Raises WorkerDied for an item that every worker died of.
        """
        deadline = float("inf")
        while not self._is_done(stop.requested):
            if not stop.requested:
                self._give()
            else:
                deadline = min(deadline, time.monotonic() + _GRACE_S)
            for answer in self._crew.take(_POLL_S):
                self._note(answer)
            while self._next in self._results:
                self._next += 1
                yield self._results.pop(self._next - 1)
            if time.monotonic() > deadline:
                break
        if not self._is_finished():
            stop.raise_if_requested(stopped)

    def _is_finished(self) -> bool:
        if self._given or self._lost or self._results:
            return False
        return self._is_exhausted or next(self._items, _NONE) is _NONE

    def _is_done(self, stop_requested: bool) -> bool:
        return not self._given and (stop_requested or (self._is_exhausted and not self._lost))

    def _give(self) -> None:
        for _ in range(self._crew.room()):
            if self._lost:
                number, item = self._lost.popleft()
            elif self._is_exhausted or self._read - self._next >= _AHEAD * max(self._crew.count(), 1):
                return
            else:
                try:
                    number, item = self._read, next(self._items)
                except StopIteration:
                    self._is_exhausted = True
                    return
                self._read += 1
            self._given[number] = item
            self._crew.give(number, item)

    def _note(self, answer: Answer) -> None:
        item = self._given.pop(answer.number)
        if answer.error is not None:
            raise answer.error
        if not answer.lost:
            self._results[answer.number] = answer.result
            return
        self._losses[answer.number] += 1
        if self._losses[answer.number] > MOST_LOSSES:
            raise WorkerDied(
                f"{self._describe(item)}: {self._losses[answer.number]} workers died at it, the last: {answer.lost}; "
                "give workers more memory, or leave it out"
            )
        self._lost.append((answer.number, item))
