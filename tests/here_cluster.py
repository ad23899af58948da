"""A cluster of one worker, the process of the test: what is sent to workers and back is pickled as on the way."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from superpoint_tf.runtime.interruption import StopRequest


class HereCluster:
    """A `Cluster` of one worker; `items` are those that it was given."""

    capacity = 1

    def __init__(self) -> None:
        self.items: list[Any] = []

    def map(
        self,
        start: Callable[[], Callable[[Any], Any]],
        items: Iterable[Any],
        most: int,
        stop: StopRequest,
        stopped: str,
        describe: Callable[[Any], str] = str,
    ) -> Iterator[Any]:
        function = pickle.loads(pickle.dumps(start))()
        for item in items:
            stop.raise_if_requested(stopped)
            assert describe(item)
            self.items.append(item)
            yield pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(item)))))
