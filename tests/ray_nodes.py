"""Nodes of Ray on 127.0.0.1 that can be killed, and the tools run beside them; import it before Ray is imported."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
IS_INSTALLED = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not IS_INSTALLED, reason="Ray is not installed: pip install -e '.[cluster]'")

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # nodes on 127.0.0.1; read on Ray's import
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (its name); else workers wait for every other process
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False, "node_ip_address": "127.0.0.1"}


class Nodes:
    """A cluster of nodes with a core each; the head stays, of the others any may be killed or join."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args=NODE)
        self.others = [self.cluster.add_node(**NODE) for _ in range(count - 1)]

    def kill(self, number: int) -> None:
        """End a node, its workers and what they hold at once."""
        self.cluster.remove_node(self.others.pop(number), allow_graceful=False)

    def working(self, words: str) -> list[int]:
        """Return the numbers of the nodes, the head not among them, that a process with these words runs on."""
        found = {ancestor for pid in pids_of(words) for ancestor in ancestors(pid)}
        return [number for number, node in enumerate(self.others) if raylet_pid(node) in found]

    def join(self) -> None:
        """Add a node."""
        self.others.append(self.cluster.add_node(**NODE))


def raylet_pid(node: Any) -> int:
    (raylet,) = node.all_processes["raylet"]
    return raylet.process.pid


def pids_of(words: str) -> list[int]:
    """Return the processes of this machine whose command line has these words."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words in place.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(int(place.name))
    return found


def ancestors(pid: int) -> list[int]:
    """Return the processes that started this one, the nearest first."""
    found = []
    with contextlib.suppress(OSError):
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            found.append(pid)
    return found


@contextlib.contextmanager
def started(count: int) -> Iterator[Nodes]:
    import ray

    nodes = Nodes(count)
    try:
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()


def command(tool: str, *arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "tools" / tool), *arguments]


def run(arguments: list[str], cwd: Path, meanwhile: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """Run a tool and do something meanwhile; return its exit code and what it said."""
    with open(cwd / "said.txt", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(arguments, cwd=cwd, stdout=said, stderr=subprocess.STDOUT)
        disturbance = threading.Thread(target=meanwhile)
        disturbance.start()
        code = process.wait(timeout=500)
        disturbance.join()
        said.seek(0)
        return code, said.read()


def content(place: Path) -> dict[str, bytes]:
    """Return the bytes of each file below a folder."""
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def after(place: Path, pattern: str, count: int, action: Callable[[], None]) -> Callable[[], None]:
    """Return what waits for so many files below a place and then acts."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 300
        while len(list(place.rglob(pattern))) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        action()

    return wait_and_act


def features(path: Path) -> dict[str, Any]:
    """Return every array of a feature file and every attribute, as bytes."""
    import h5py

    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        found[name] = {key: str(value) for key, value in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            found[name]["array"] = (item.dtype, item.shape, item[()].tobytes())

    with h5py.File(path) as file:
        file.visititems(note)
    return found
