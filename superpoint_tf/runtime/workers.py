"""Processes that draw, decode and augment, so that neither Python's interpreter lock nor TensorFlow is in their way."""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import TypeVar

from superpoint_tf.runtime.operating_system import count_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

_GRACE_S = 10.0  # from SIGTERM to the end of a worker that nobody has stopped


class WorkerDied(RuntimeError):
    """A worker process was killed, most often because the memory ran out."""


def resolve_workers(workers: int) -> int:
    """Return the number of processes meant by a setting: -1 is one for each core this process may use."""
    if workers >= 0:
        return workers
    return count_cores()


def start_pool(workers: int) -> concurrent.futures.ProcessPoolExecutor | None:
    """Return a pool of that many processes (-1: one a core), or None for 0, which means: work in this process.

    Processes are spawned, not forked: a fork of a process that runs TensorFlow's threads may hang.
    """
    count = resolve_workers(workers)
    if count == 0:
        return None
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the main process decides
    signal.signal(signal.SIGTERM, _exit_later)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)  # one process a core already


def _exit_later(number: int, frame: FrameType | None) -> None:
    """A scheduler's SIGTERM reaches the whole group too: let the main process save and end the pool itself."""
    timer = threading.Timer(_GRACE_S, os._exit, (128 + number,))
    timer.daemon = True
    timer.start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns when it is gone, be it by SIGKILL
        os._exit(1)


def ordered_map(
    pool: concurrent.futures.Executor | None,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    window: int,
) -> Iterator[Result]:
    """Yield `function(item)` in the order of `items`, at most `window` items ahead; without a pool one by one here.

    An exception of `function` is raised where its result would have come. Raises WorkerDied if a process was killed.
    """
    if pool is None:
        yield from map(function, items)
        return
    pending: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= max(window, 1):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise WorkerDied(
            "a worker process was killed, perhaps for want of memory; start again with fewer (--set workers=1, or 0)"
        ) from error
    finally:
        for future in pending:
            future.cancel()
