"""What work needs of a cluster: something that does it in many places and hands the results back in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from superpoint_tf.runtime.interruption import StopRequest

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNKS = 4  # a worker at least, so that none waits long for the last


class Cluster(Protocol):
    """Machines that share a file system and work together."""

    @property
    def capacity(self) -> int:
        """Return how many workers have room at present, at least 1."""
        ...

    def map(
        self,
        start: Callable[[], Callable[[Item], Result]],
        items: Iterable[Item],
        most: int,
        stop: StopRequest,
        stopped: str,
        describe: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """Yield the result of each item in order; each of at most `most` workers calls `start()` once for its function.

        Functions, items and results are pickled. Raises what the work raises, WorkerDied for an item that several
        workers died of, and Interrupted with the message `stopped` when `stop` asks for it.
        """
        ...


def chunk_size(total: int, cluster: Cluster, most: int) -> int:
    """Return how many of `total` items go into a chunk: at most `most`, fewer where workers would have few chunks."""
    return max(1, min(most, total // (_CHUNKS * cluster.capacity)))


def chunks(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in chunks of `size`, the last perhaps shorter; reads no further than the chunk at hand."""
    iterator = iter(items)
    while chunk := tuple(itertools.islice(iterator, size)):
        yield chunk
