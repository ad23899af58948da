"""Processes of several machines that work as one, as those of a training do: all run or none, and all start again."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from superpoint_tf.cluster.process import Look
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import WorkerDied

MOST_LOSSES = 3  # one after the other, without progress between them
LEFT_ALONE = 75  # exit code of a process whose peer is gone: of itself it could go on (EX_TEMPFAIL of sysexits.h)
_POLL_S = 0.5  # between looks
_GRACE_S = 60.0  # from the end of one process to that of all
_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
_TAIL_BYTES = 2000  # of what a process has said


class Gone(NamedTuple):
    """The answer of a place that is there no more."""

    reason: str


class Places(Protocol):
    """Places for the processes of a gang, each of which does what `ProcessKeeper` can."""

    @property
    def hosts(self) -> Sequence[str]:
        """Return the address of each place's machine."""
        ...

    def ask(self, requests: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return each place's answer to its request, or `Gone`; raises what a keeper raised."""
        ...


class Site(Protocol):
    """Machines that have places."""

    def reserve(self, stop: StopRequest) -> contextlib.AbstractContextManager[Places]:
        """Return places for all, which are given back, and what runs there is killed, at the end of the block.

        Waits for room, and raises Interrupted when `stop` asks for it meanwhile.
        """
        ...


class Work(NamedTuple):
    """What a gang runs."""

    arguments: Callable[[], Sequence[str]]  # of Python, asked for at every start
    environment: Callable[[Sequence[str], int], Mapping[str, str]]  # of process i, from the host:port of all
    folder: str  # that relative paths are below
    path: str  # of packages that are not installed
    progress: Callable[[], int]  # grows where a new start goes on from somewhere else


class _End(NamedTuple):
    """How a process ended: by itself, with its place, or (neither code nor reason) from here."""

    code: int | None = None
    lost: str = ""
    said: str = ""

    @property
    def was_killed(self) -> bool:
        """Tell whether nothing of it is left that could still save."""
        return bool(self.lost) or (self.code or 0) < 0

    def why_lost(self) -> str:
        """Return why a process that was neither asked to stop nor failed by itself is no more; else nothing."""
        if self.code is not None and self.code < 0:
            return f"killed by {_signal_name(-self.code)}"
        return f"stopped with exit code {self.code}" if self.code in _STOPPED else self.lost


def run_gang(site: Site, work: Work, console: Console, stop: StopRequest) -> int:
    """Run until all processes have ended by themselves; return their exit code.

    When one is lost (killed, or its machine), all are ended and started again. When `stop` asks for it, all get
    SIGTERM, and the code is that of a stopped process. Raises WorkerDied after too many losses without progress.
    """
    losses, before = 0, work.progress()
    while True:
        with site.reserve(stop) as places:
            count = len(places.hosts)
            ends = _run_once(places, work, stop)
        if stop.signal_number is not None:
            code = next((end.code for end in ends if end.code is not None), None)
            return 0 if code == 0 else 128 + stop.signal_number
        lost = _first_loss(ends)
        if lost is None:
            return _own_code(ends)
        progress = work.progress()
        losses = 1 if progress > before else losses + 1
        before = progress
        number, reason = lost
        what = f"worker {number} of {count} is lost ({reason})"
        if losses > MOST_LOSSES:
            raise WorkerDied(f"{what}, {losses} times without progress between; nothing that is saved is lost")
        console.line("ray", f"{what}; all start again from step {progress}, loss {losses} of {MOST_LOSSES} in a row")


def _run_once(places: Places, work: Work, stop: StopRequest) -> list[_End]:
    """Start all, and return how each ended; some may not have."""
    count = len(places.hosts)
    ports = places.ask([("free_port", host) for host in places.hosts])
    gone = [_End(lost=port.reason) if isinstance(port, Gone) else _End() for port in ports]
    if any(end.lost for end in gone):
        return gone
    addresses = [_address(host, port) for host, port in zip(places.hosts, ports, strict=True)]
    arguments = list(work.arguments())
    where = (work.folder, work.path)
    places.ask([("start", arguments, dict(work.environment(addresses, index)), *where) for index in range(count)])
    ends, tails = [_End()] * count, [b""] * count
    deadline, is_told = float("inf"), False
    while any(end == _End() for end in ends) and time.monotonic() < deadline:
        if stop.requested and not is_told:
            is_told = True
            places.ask([("signal", int(signal.SIGTERM))] * count)
        for index, look in enumerate(places.ask([("look",)] * count)):
            if ends[index] != _End():
                continue
            if isinstance(look, Gone):
                ends[index] = _End(lost=look.reason)
                continue
            tails[index] = _hear(look, tails[index], is_shown=index == 0)
            if look.code is not None:
                ends[index] = _End(look.code, said=tails[index].decode(errors="replace"))
        if any(end.was_killed for end in ends) and not stop.requested:
            break
        if any(end.code or end.lost for end in ends):
            deadline = min(deadline, time.monotonic() + _GRACE_S)
        time.sleep(_POLL_S)
    return ends


def _hear(look: Look, tail: bytes, is_shown: bool) -> bytes:
    if is_shown and look.said:
        sys.stdout.write(look.said.decode(errors="replace"))
        sys.stdout.flush()
    return (tail + look.said)[-_TAIL_BYTES:]


def _first_loss(ends: Sequence[_End]) -> tuple[int, str] | None:
    """Return the number of the process that all must start again for, and why; None if they need not."""
    for number, end in enumerate(ends):
        if why := end.why_lost():
            return number, why
    if any(end.code not in (None, 0, LEFT_ALONE) for end in ends):
        return None
    alone = next((number for number, end in enumerate(ends) if end.code == LEFT_ALONE), None)
    return None if alone is None else (alone, "it has lost the others")


def _own_code(ends: Sequence[_End]) -> int:
    """Return the exit code of what failed by itself, and show what it said, unless it is the first, which is shown."""
    failed = [number for number, end in enumerate(ends) if end.code not in (None, 0, LEFT_ALONE)]
    if failed and failed[0] > 0:
        sys.stderr.write(f"worker {failed[0]} of {len(ends)}:\n{ends[failed[0]].said}")
    return int(ends[failed[0]].code or 0) if failed else 0


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
