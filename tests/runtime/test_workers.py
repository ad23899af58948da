"""Work is done in order, ahead by a window only, and errors of workers arrive as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.runtime.workers import WorkerDied, ordered_map, resolve_workers, start_pool

CHECKOUT = Path(__file__).resolve().parents[2]


def late_square(number: int) -> int:
    time.sleep(0.02 * (number % 3 == 0))
    return number * number


def refuse(number: int) -> int:
    raise PhotographError(f"{number}.jpg", "empty file")


def die(number: int) -> int:
    os._exit(9)


def loaded_modules(_: int) -> bool:
    return "tensorflow" in sys.modules


def test_without_processes_work_is_done_here_and_lazily():
    assert start_pool(0) is None
    taken = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = ordered_map(None, late_square, items(), window=4)
    assert [next(results) for _ in range(3)] == [0, 1, 4] and taken == [0, 1, 2]


def test_minus_one_is_a_process_a_core():
    assert resolve_workers(-1) >= 1 and resolve_workers(0) == 0 and resolve_workers(3) == 3


def test_results_keep_the_order_errors_arrive_whole_and_a_death_is_named():
    pool = start_pool(2)
    assert pool is not None
    try:
        assert list(ordered_map(pool, late_square, range(12), window=5)) == [i * i for i in range(12)]
        taken = []
        results = ordered_map(pool, late_square, (taken.append(i) or i for i in range(100)), window=5)
        assert next(results) == 0 and len(taken) == 5
        results.close()  # type: ignore[attr-defined]
        assert not any(ordered_map(pool, loaded_modules, range(2), window=2))
        with pytest.raises(PhotographError, match=r"^7\.jpg: empty file$"):
            list(ordered_map(pool, refuse, [7], window=1))
        with pytest.raises(WorkerDied, match="workers=1"):
            list(ordered_map(pool, die, [0], window=1))
    finally:
        pool.shutdown(cancel_futures=True)


def test_a_sigterm_to_the_whole_group_leaves_the_workers_to_the_main_process():
    pool = start_pool(1)
    assert pool is not None
    os.kill(pool.submit(os.getpid).result(), signal.SIGTERM)
    assert list(ordered_map(pool, late_square, range(3), window=2)) == [0, 1, 4]
    pool.shutdown()


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(CHECKOUT)!r})\n"
        "from superpoint_tf.runtime.workers import start_pool\n"
        "if __name__ == '__main__':\n"
        "    pool = start_pool(1)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    worker = int(done.stdout)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.05)
    pytest.fail(f"worker {worker} outlived its parent")
