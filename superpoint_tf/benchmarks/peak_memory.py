"""Peak memory of one call, in a process of its own: what earlier calls left behind cannot hide it.

Run as a module it is that process: python -m superpoint_tf.benchmarks.peak_memory MODULE:FUNCTION JSON-ARGUMENTS
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from superpoint_tf.benchmarks.timing import wait_for
from superpoint_tf.runtime.operating_system import own_peak_bytes

_ROOT = Path(__file__).resolve().parents[2]
_AT_ONCE = 2  # processes: most of their time is TensorFlow's import, on one core


class Job(NamedTuple):
    """A call to measure: `target(**arguments)` prepares it and returns it."""

    target: str  # module:function
    arguments: Mapping[str, Any]  # JSON


def measure_peaks(jobs: Sequence[Job]) -> list[float]:
    """Return the peak bytes of each job's call above what its process held before, fresh processes each.

    On a GPU it is the device's memory. Raises ValueError with the process's last words if one fails.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(_run_process, jobs))


def _run_process(job: Job) -> float:
    command = [sys.executable, "-m", __name__, job.target, json.dumps(job.arguments)]
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message; perhaps the memory ran out"])[-1]
        raise ValueError(f"measuring the memory of {job.target} failed with code {done.returncode}: {last}")
    return float(done.stdout.split()[-1])


def peak_of(function: Callable[[], Any]) -> float:
    """Return the peak bytes of a call above what this process (on a GPU: the device) holds before it.

    The result is alive at the end and so is part of it. Without Linux's resettable counter it is what the call adds to
    the peak of everything before it: at most the true figure.
    """
    gc.collect()
    device = _gpu_statistics()
    if device is not None:
        before = device(reset=True)["current"]
        wait_for(function())
        return float(device()["peak"] - before)
    resettable = _return_free_memory_and_reset_peak()
    before = resident_bytes() if resettable else peak_resident_bytes()
    result = function()
    wait_for(result)
    return float(peak_resident_bytes() - before)


def _gpu_statistics() -> Callable[..., dict[str, int]] | None:
    """Return a function that reads the GPU allocator's counters, or None without TensorFlow or a GPU."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not tf.config.list_physical_devices("GPU"):
        return None

    def read(reset: bool = False) -> dict[str, int]:
        if reset:
            tf.config.experimental.reset_memory_stats("GPU:0")
        statistics: dict[str, int] = tf.config.experimental.get_memory_info("GPU:0")
        return statistics

    return read


def _return_free_memory_and_reset_peak() -> bool:
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the call reuses what the preparation freed, and seems to need less
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except (OSError, AttributeError):
        return False
    return True


def resident_bytes() -> int:
    """Return the resident memory of this process now; Linux."""
    return _status_bytes("self", "VmRSS")


def peak_resident_bytes(process: int | str = "self") -> int:
    """Return the peak resident memory of a process; elsewhere than on Linux of this one alone."""
    if Path("/proc/self/status").exists():
        return _status_bytes(process, "VmHWM")
    return own_peak_bytes()


def _status_bytes(process: int | str, key: str) -> int:
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024


def workers_peak_bytes() -> float | None:
    """Return the sum of the peak resident memory of this process's living worker processes; None if unknown."""
    children = [child.pid for child in multiprocessing.active_children() if child.pid]
    if not children or not Path("/proc/self/status").exists():
        return None
    return float(sum(peak_resident_bytes(pid) for pid in children))


def main() -> None:
    from superpoint_tf.command_line import set_up_tensorflow

    set_up_tensorflow(announce=False)  # standard output is the figure alone
    module, _, name = sys.argv[1].partition(":")
    prepare = getattr(importlib.import_module(module), name)
    print(peak_of(prepare(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
