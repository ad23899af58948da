"""Places on a Ray cluster for processes that work as one: a placement group, and an actor a place that keeps one."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import superpoint_tf
from superpoint_tf.cluster.gang import Gone
from superpoint_tf.cluster.process import ProcessKeeper
from superpoint_tf.cluster.ray_cluster import RayCluster, bootstrap
from superpoint_tf.cluster.worker import RemoteTraceback, WorkerSetting
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.invocation import CHECKOUT
from superpoint_tf.runtime.waiting import wait_for
from superpoint_tf.runtime.workers import WorkerDied

_LOOK_S = 1.0
_MOST_FAILED_STARTS = 5


class RaySite:
    """A `Site` for so many processes: a GPU each if the cluster has any, else as many cores as each can have.

    Raises ValueError for more than there is room for on a cluster that no machine can join.
    """

    def __init__(self, cluster: RayCluster, count: int) -> None:
        self._cluster, self._ray, self._count = cluster, cluster.ray, count
        if not cluster.grows and cluster.capacity < count:
            raise ValueError(
                f"--workers {count}: this machine has room for {cluster.capacity}; give fewer, or the address of a "
                "cluster (docs/cluster.md)"
            )

    @contextlib.contextmanager
    def reserve(self, stop: StopRequest) -> Iterator[RayPlaces]:
        """Do what `Site.reserve` says. Raises WorkerDied if again and again none can be begun."""
        with contextlib.ExitStack() as reserved:
            for _ in range(_MOST_FAILED_STARTS):
                group = reserved.enter_context(_Room(self._cluster, self._count, stop))
                places = reserved.enter_context(RayPlaces(self._cluster, group))
                if places.begin(stop):
                    break
                reserved.close()
            else:
                raise WorkerDied(f"no {self._count} workers could be started, the last: {places.why_not}")
            yield places


class _Group(NamedTuple):
    """A placement group with room for all, and what a place has."""

    group: Any
    size: int
    needs: dict[str, float]


class _Room:
    """The placement group of a gang: waits until it has room, and gives it back."""

    def __init__(self, cluster: RayCluster, count: int, stop: StopRequest) -> None:
        self._cluster, self._ray, self._count, self._stop = cluster, cluster.ray, count, stop
        self._group: Any = None
        self._asked: tuple[object, ...] = ()
        self._needs: dict[str, float] = {}

    def __enter__(self) -> _Group:
        try:
            wait_for(self._is_there, self._whom, self._cluster.console, "ray", self._stop)
        except BaseException:
            self.__exit__()
            raise
        return _Group(self._group, self._count, self._needs)

    def __exit__(self, *ended: object) -> None:
        if self._group is not None:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.util.remove_placement_group(self._group)
            self._group, self._asked = None, ()

    def _is_there(self) -> bool:
        """Ask for room, anew when machines have come or gone, and tell whether it is there."""
        nodes = self._cluster.nodes()
        if self._asked != (asked := (*sorted(nodes),)):
            if self._asked:
                self._cluster.console.line("ray", f"waiting for {self._whom()}")
            self.__exit__()
            self._asked, self._needs = asked, self._share(nodes)
            strategy = "PACK" if "GPU" in self._needs else "SPREAD"
            self._group = self._ray.util.placement_group([self._needs] * self._count, strategy)
        return bool(self._group.wait(_LOOK_S))

    def _share(self, nodes: dict[str, dict[str, float]]) -> dict[str, float]:
        """Return what each process gets; it may be more than there is room for, then machines must join."""
        if self._cluster.needs["GPU"]:
            return {"CPU": 1, "GPU": 1}
        cores = [int(node.get("CPU", 0)) for node in nodes.values()]
        fits = (each for each in range(max(cores, default=1), 1, -1) if sum(c // each for c in cores) >= self._count)
        return {"CPU": next(fits, 1)}

    def _whom(self) -> str:
        each, found = "a GPU" if self._cluster.needs["GPU"] else "a core", len(self._cluster.nodes())
        return (
            f"room for {self._count} workers of {each} each: {found} machine{'s' * (found > 1)} with room for "
            f"{self._cluster.capacity} in all, others' work included; more may join (`ray start --address=...`)"
        )


class RayPlaces:
    """The `Places` of a placement group; its actors end with the block."""

    def __init__(self, cluster: RayCluster, group: _Group) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self.hosts: list[str] = []
        self.why_not = ""
        needs = group.needs
        strategy = self._ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        actor = self._ray.remote(num_cpus=needs["CPU"], num_gpus=needs.get("GPU", 0), max_restarts=0)(bootstrap())
        self._actors = [
            actor.options(scheduling_strategy=strategy(group.group, index)).remote() for index in range(group.size)
        ]
        self._setting = WorkerSetting(
            os.getcwd(), superpoint_tf.__version__, 0 if "GPU" in needs else int(needs["CPU"])
        )

    def begin(self, stop: StopRequest) -> bool:
        """Start an actor a place; return whether all have begun, which they have not if a machine leaves meanwhile.

        Raises ValueError if they find another version or no shared folder, and Interrupted when `stop` asks for it.
        """
        alive, start = self._cluster.nodes(), pickle.dumps(ProcessKeeper)
        begun = [actor.begin.remote(str(CHECKOUT), tuple(self._setting), start) for actor in self._actors]
        waited_for = begun
        while waited_for:
            _, waited_for = self._ray.wait(waited_for, num_returns=len(waited_for), timeout=_LOOK_S)
            stop.raise_if_requested("stopped before workers began")
            if waited_for and alive.keys() - self._cluster.nodes().keys():
                self.why_not = "a machine has left"
                return False
        nodes = [self._result(reference, has_node=True) for reference in begun]
        if gone := [each for each in nodes if isinstance(each, Gone)]:
            self.why_not = gone[0].reason
            return False
        addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in self._ray.nodes()}
        self.hosts = [addresses[node] for node in nodes]
        return True

    def ask(self, requests: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Do what `Places.ask` says."""
        asked = [actor.work.remote(request) for actor, request in zip(self._actors, requests, strict=True)]
        return [self._result(reference) for reference in asked]

    def _result(self, reference: Any, has_node: bool = False) -> Any:
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError:
            raise
        except self._ray.exceptions.RayError as death:
            return Gone(type(death).__name__)
        node, (result, error, trace) = answer if has_node else ("", answer)
        if error is not None:
            raise error from RemoteTraceback(trace)
        return node if has_node else result

    def __enter__(self) -> RayPlaces:
        return self

    def __exit__(self, *ended: object) -> None:
        for actor in self._actors:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)
