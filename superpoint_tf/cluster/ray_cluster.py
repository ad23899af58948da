"""The one door to Ray: work in processes of its cluster, which outlives the death of workers and of their machines."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import pickle
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import superpoint_tf
from superpoint_tf.cluster.dispatch import Answer, Dispatch
from superpoint_tf.cluster.worker import RemoteTraceback, WorkerSetting
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.invocation import CHECKOUT, how_to_install
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import WorkerDied

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: this machine alone, and on 127.0.0.1
_TOKEN = ".ray/auth_token"  # where Ray keeps it
_ANSWER_S = 10.0  # that the head of a cluster has
_HIRING_S = 2.0  # between looks at what has joined
_REMIND_S = 60.0  # between lines that say that nobody works
_MOST_FAILED_STARTS = 10  # one after the other


def connect(address: str, console: Console) -> RayCluster:
    """Return the Ray cluster at `address` (host:port); for an empty one that of this machine, else one started here.

    Raises ValueError where Ray is not installed or no cluster answers.
    """
    if Path.home().joinpath(_TOKEN).is_file():  # `ray start` asks for it then, on its own; who joins must be told
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    started_here = _address_of_this_machine()
    named = address or started_here
    if not named or (named == started_here and named.startswith("127.")):
        os.environ.setdefault(_LOOPBACK, "0")  # read on the import; a cluster executes what anyone who reaches it sends
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
    except ImportError as error:
        raise _not_installed() from error
    is_new = False
    if not ray.is_initialized():
        is_new = not named
        if named:
            with _joining(named):
                _knock(named)
                _initialise(ray, named)
        else:
            _initialise(ray, "local", include_dashboard=False)
    cluster = RayCluster(ray, console, grows=not is_new)
    console.line("ray", "no cluster here, one is started for this command: " * is_new + cluster.describe())
    return cluster


def check_reachable(address: str) -> None:
    """Raise ValueError where Ray is not installed, or nothing listens at host:port; empty asks for no address.

    It imports nothing, so that a command says so before it loads TensorFlow.
    """
    try:
        there = importlib.util.find_spec("ray") is not None
    except ValueError:
        there = False
    if not there:
        raise _not_installed()
    if address:
        with _joining(address):
            _knock(address)


def _not_installed() -> ValueError:
    return ValueError(f"--ray needs Ray, which is not installed: run `{how_to_install('cluster')}`")


def _address_of_this_machine() -> str:
    """Return the address of the cluster that `ray start` has made this machine a part of; empty for none."""
    note = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    with contextlib.suppress(OSError, ValueError):
        address = note.read_text(encoding="utf-8").strip()
        _knock(address)  # the note outlives the cluster
        return address
    return ""


def _knock(address: str) -> None:
    """Raise OSError or ValueError if nothing listens at host:port; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()


@contextlib.contextmanager
def _joining(address: str) -> Iterator[None]:
    """Raise ValueError naming the address for what is raised in the block."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        hint = f"if it asks for a token, put it into ~/{_TOKEN} here; see docs/cluster.md"
        raise ValueError(f"--ray: no Ray cluster answers at {address} ({reason}); {hint}") from error


def _initialise(ray: Any, address: str, **options: Any) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with contextlib.suppress(AttributeError):  # what a machine that dies has to say; Ray has no option
        ray._private.worker.print_to_stdstream = lambda *message, **options: None
    before = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(address, log_to_driver=False, logging_level="ERROR", **options)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has put its own in this place


class RayCluster:
    """A `Cluster` of Ray: workers of a GPU and a core each if it has any GPU, else of a core each."""

    def __init__(self, ray: Any, console: Console, grows: bool = True) -> None:
        self.ray, self.console, self.grows = ray, console, grows  # grows: machines may join
        self.needs = {"CPU": 1, "GPU": int(any(node.get("GPU", 0) >= 1 for node in self.nodes().values()))}

    @property
    def capacity(self) -> int:
        """Return how many workers have room on the machines that are alive, at least 1."""
        needs = {name: amount for name, amount in self.needs.items() if amount}
        rooms = (min(int(node.get(name, 0) // needs[name]) for name in needs) for node in self.nodes().values())
        return max(sum(rooms), 1)

    def describe(self) -> str:
        """Return how many machines and workers there are."""
        nodes, each = len(self.nodes()), "a GPU" if self.needs["GPU"] else "a core"
        more = "; more may join" if self.grows else ""
        return f"{nodes} machine{'s' * (nodes > 1)}, {self.capacity} workers of {each} each{more}"

    def map(
        self,
        start: Callable[[], Callable[[Item], Result]],
        items: Iterable[Item],
        most: int,
        stop: StopRequest,
        stopped: str,
        describe: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """Do what `Cluster.map` says; workers come as machines join and end with the iterator."""
        with RayCrew(self, pickle.dumps(start), most) as crew:
            yield from Dispatch(crew, items, describe).results(stop, stopped)

    def nodes(self) -> dict[str, dict[str, float]]:
        """Return the resources of each machine that is alive."""
        return {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}


class _Member(NamedTuple):
    """A worker and, once it has begun, the machine that it is on."""

    actor: Any
    node: str = ""


class RayCrew:
    """The workers of one stage, as `Dispatch` wants them.

    A worker is an actor, not a task: it keeps its GPU, and the network that it has compiled. Ray restarts none of them,
    new ones are asked for wherever there is room.
    """

    def __init__(self, cluster: RayCluster, start: bytes, most: int) -> None:
        self._cluster, self._ray, self._start, self._most = cluster, cluster.ray, start, most
        self._starting: dict[Any, _Member] = {}  # by what `begin` will return
        self._free: list[_Member] = []
        self._busy: dict[Any, tuple[_Member, int]] = {}  # by what `work` will return: with the item's number
        self._hired = -math.inf
        self._said = time.monotonic()
        self._failed_starts = 0
        needs = cluster.needs
        options = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"], "max_restarts": 0}
        self._class = self._ray.remote(**options, scheduling_strategy="SPREAD")(bootstrap())
        self._setting = WorkerSetting(os.getcwd(), superpoint_tf.__version__, 0 if needs["GPU"] else needs["CPU"])

    def count(self) -> int:
        """Return how many workers have begun."""
        return len(self._free) + len(self._busy)

    def room(self) -> int:
        """Return how many items would be taken now, after asking for workers where there is room for more."""
        if time.monotonic() - self._hired >= _HIRING_S:
            self._hired = time.monotonic()
            self._hire()
        return len(self._free)

    def give(self, number: int, item: Any) -> None:
        """Send an item to a free worker."""
        member = self._free.pop()
        self._busy[member.actor.work.remote(item)] = member, number

    def take(self, timeout_s: float) -> list[Answer]:
        """Return what has been answered since, and let those work who have begun."""
        waited_for = [*self._starting, *self._busy]
        if not waited_for:
            time.sleep(timeout_s)
            return []
        ready, _ = self._ray.wait(waited_for, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(waited_for, num_returns=len(waited_for), timeout=0)
        answers = [self._answer(reference) for reference in ready if reference in self._busy]
        for reference in ready:
            if reference in self._starting:
                self._welcome(reference)
        return answers

    def _hire(self) -> None:
        """Ask for as many workers as there is room for, and one more: a cluster that grows on demand sees a demand."""
        wanted = min(self._most, self._cluster.capacity + 1)
        for _ in range(wanted - self.count() - len(self._starting)):
            actor = self._class.remote()
            begun = actor.begin.remote(str(CHECKOUT), tuple(self._setting), self._start)
            self._starting[begun] = _Member(actor)
        if self.count():
            self._said = time.monotonic()
        elif time.monotonic() - self._said >= _REMIND_S:
            self._said = time.monotonic()
            self._cluster.console.line("ray", "waiting for the first worker; `ray status` shows who has the machines")

    def _welcome(self, reference: Any) -> None:
        """Let a worker that has begun take items; raises what it could not begin for."""
        member = self._starting.pop(reference)
        try:
            node, (_, error, trace) = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError as death:
            self._failed_starts += 1
            if self._failed_starts > _MOST_FAILED_STARTS:
                raise WorkerDied(f"no worker could be started, the last: {_first_line(death)}") from death
            return
        if error is not None:
            raise error from RemoteTraceback(trace)
        self._failed_starts = 0
        self._free.append(member._replace(node=node))

    def _answer(self, reference: Any) -> Answer:
        member, number = self._busy.pop(reference)
        try:
            result, error, trace = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:  # an item or a result that cannot be pickled
            raise
        except self._ray.exceptions.RayError as death:
            self._dismiss(member)
            alive = self._cluster.nodes()
            self._free = [other for other in self._free if other.node in alive]
            return Answer(number, lost=_first_line(death))
        self._free.append(member)
        if error is not None:
            error.__cause__ = RemoteTraceback(trace)
        return Answer(number, result, error)

    def _dismiss(self, member: _Member) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(member.actor)

    def __enter__(self) -> RayCrew:
        return self

    def __exit__(self, *ended: object) -> None:
        for member in [*self._starting.values(), *self._free, *(member for member, _ in self._busy.values())]:
            self._dismiss(member)


def bootstrap() -> type:
    """Return the class of a worker's process: a local one, which Ray sends whole, so that the process needs no path."""

    class Bootstrap:
        def begin(self, checkout: str, setting: tuple[Any, ...], start: bytes) -> Any:
            import sys

            import ray

            if checkout not in sys.path:  # behind the others: that of an installed package is no news
                sys.path.append(checkout)
            node = ray.get_runtime_context().get_node_id()
            try:
                from superpoint_tf.cluster.worker import Worker, WorkerSetting
            except ImportError as error:
                import socket

                missing = f"superpoint_tf cannot be imported on {socket.gethostname()} ({error}); install it there"
                return node, (None, ValueError(missing), "")
            self.worker = Worker()
            return node, self.worker.begin(WorkerSetting(*setting), start)

        def work(self, item: Any) -> Any:
            return self.worker.work(item)

    return Bootstrap


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
