"""Which photographs are held out by their content: found in one pass that keeps a few hundred names, however many."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from superpoint_tf.cluster.cluster import chunks
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath
from superpoint_tf.runtime.stores import REFUSALS

_THREADS = 8  # reading and hashing release the interpreter lock
_TOGETHER = 256  # photographs that are hashed before it is decided anew whether threads pay
_QUICK_S = 150e-6  # of a photograph, by one thread: below it several get in each other's way
_ANY_NUMBER = 2**40
_MOST_UNREADABLE = 1000  # contents that are remembered


def hold_out(
    root: str, photographs: Iterable[str], num_held_out: Callable[[int], int], is_readable: Callable[[AnyPath], bool]
) -> tuple[tuple[str, ...], int]:
    """Return those with the smallest content hashes, sorted by name, and how many photographs there are.

    They are the same pictures under any name and in any order, and copies of one picture stay together; those that
    cannot be read are passed over. `num_held_out` says how many of a number; none are held out if all would be.
    """
    smallest = _Smallest(num_held_out(_ANY_NUMBER), lambda path: is_readable(storage.as_path(root) / path))
    total = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        run: Callable[..., Iterable[str]] = map
        for paths in chunks(photographs, _TOGETHER):
            began = time.perf_counter()
            hashes = [*run(_content_hash, (storage.join(root, path) for path in paths))]
            run = map if time.perf_counter() - began < _QUICK_S * len(paths) else pool.map
            total += len(paths)
            for path, digest in zip(paths, hashes, strict=True):
                if digest:
                    smallest.add(digest, path)
    held_out: set[str] = set()
    for copies in smallest.groups():
        if len(held_out) >= num_held_out(total):
            break
        held_out.update(copies)
    return (tuple(sorted(held_out)) if len(held_out) < total else ()), total


class _Smallest:
    """The `most` smallest hashes that were met, and the readable photographs of each."""

    def __init__(self, most: int, is_readable: Callable[[str], bool]) -> None:
        self._most, self._is_readable = most, is_readable
        self._copies: dict[int, list[str]] = {}
        self._heap: list[int] = []  # negative: the largest hash first
        self._unreadable: set[int] = set()  # a few: copies of one bad file are common

    def add(self, digest: str, path: str) -> None:
        value = int(digest, 16)
        if value in self._copies:
            self._copies[value].append(path)
        elif (len(self._heap) < self._most or value < -self._heap[0]) and self._can_be_read(value, path):
            self._copies[value] = [path]
            heapq.heappush(self._heap, -value)
            if len(self._heap) > self._most:
                del self._copies[-heapq.heappop(self._heap)]

    def _can_be_read(self, value: int, path: str) -> bool:
        if value in self._unreadable:
            return False
        if self._is_readable(path):
            return True
        if len(self._unreadable) >= _MOST_UNREADABLE:
            self._unreadable.clear()
        self._unreadable.add(value)
        return False

    def groups(self) -> list[list[str]]:
        """Return the copies of each picture, the smallest hash first."""
        return [self._copies[value] for value in sorted(self._copies)]


def _content_hash(path: str) -> str:
    try:
        return storage.sha256_file(path) if storage.is_file(path) else ""  # a pipe would never end
    except REFUSALS:
        raise
    except OSError:
        return ""
