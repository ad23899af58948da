from __future__ import annotations

import os
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from superpoint_tf.runtime import operating_system
from superpoint_tf.runtime.operating_system import (
    count_cores,
    joined,
    lock_file,
    open_descriptor,
    own_peak_bytes,
    parts_below,
    read_at,
    replace,
    with_slashes,
)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating_system, "WINDOWS", True)


def test_a_locked_file_is_refused_until_it_is_closed_or_its_process_killed(tmp_path: Path):
    with lock_file(tmp_path / "lock"), pytest.raises(OSError):
        lock_file(tmp_path / "lock")
    code = "import sys, time; from superpoint_tf.runtime.operating_system import lock_file as lock\n"
    code += "held = lock(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    root = Path(operating_system.__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        with pytest.raises(OSError):
            lock_file(tmp_path / "lock")
        process.kill()
    lock_file(tmp_path / "lock").close()


def test_windows_locks_by_its_own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    locked: list[int] = []

    def locking(descriptor: int, mode: int, count: int) -> None:
        if mode != 2 or count != 1 or locked:
            raise OSError("locked")
        locked.append(descriptor)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    with lock_file(tmp_path / "lock") as file:
        assert locked == [file.fileno()]
        with pytest.raises(OSError):
            lock_file(tmp_path / "lock")


def test_a_file_that_is_open_for_a_moment_is_replaced_on_windows(
    windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    refusals = [PermissionError(13, "Permission denied")] * 2
    monkeypatch.setattr(operating_system, "_PATIENCE_S", (0.0, 0.0, 0.0))

    def refuse_at_first(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(operating_system.os, "replace", refuse_at_first)
    (tmp_path / "new").write_text("new")
    replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new" and not refusals
    refusals[:] = [PermissionError(13, "Permission denied")] * 4
    with pytest.raises(PermissionError):
        replace(tmp_path / "new", tmp_path / "old")


def test_elsewhere_a_refusal_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []

    def refuse(source: Path, target: Path) -> None:
        calls.append("asked")
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(operating_system.os, "replace", refuse)
    with pytest.raises(PermissionError):
        replace(tmp_path / "new", tmp_path / "old")
    assert calls == ["asked"]


@pytest.mark.parametrize("has_pread", [True, False])
def test_threads_read_one_file_at_their_places(has_pread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not has_pread:
        monkeypatch.delattr(os, "pread")
    content = bytes(range(256)) * 64  # with the bytes of line ends and of the end of a text
    (tmp_path / "file").write_bytes(content)
    descriptor = open_descriptor(tmp_path / "file")
    barrier = threading.Barrier(8)

    def read_all(thread: int) -> bool:
        barrier.wait()
        return all(read_at(descriptor, 7, place) == content[place : place + 7] for place in range(thread, 9000, 8))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read_all, range(8)))
    os.close(descriptor)


def test_windows_has_no_more_processes_than_it_can_wait_for(windows: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    assert count_cores() == 61
    monkeypatch.setattr(operating_system, "WINDOWS", False)
    assert count_cores() == 128


def test_the_peak_memory_is_known_or_an_error(monkeypatch: pytest.MonkeyPatch):
    assert own_peak_bytes() > 1e7
    monkeypatch.setitem(sys.modules, "resource", None)
    with pytest.raises(OSError, match="run this on Linux or macOS"):
        own_peak_bytes()


def test_names_of_windows_have_slashes_and_stay_below_their_folder(windows: None):
    assert with_slashes(r"trip\day 1\a.jpg") == "trip/day 1/a.jpg"
    assert parts_below(r"trip\a.jpg") == ("trip", "a.jpg")
    for outside in (
        r"..\a.jpg",
        r"trip\..\..\a.jpg",
        r"C:\a.jpg",
        "C:a.jpg",
        r"\a.jpg",
        "/a.jpg",
        r"\\server\share\a.jpg",
    ):
        assert parts_below(outside) == ()


def test_a_name_with_a_backslash_is_one_name_elsewhere():
    assert with_slashes(r"a\b.jpg") == r"a\b.jpg" and parts_below(r"a\b.jpg") == (r"a\b.jpg",)
    assert parts_below("../a.jpg") == parts_below("/a.jpg") == ()


def test_arguments_are_quoted_for_the_shell_of_the_system(monkeypatch: pytest.MonkeyPatch):
    assert joined(["--output", "my runs"]) == "--output 'my runs'"
    monkeypatch.setattr(operating_system, "WINDOWS", True)
    assert joined(["--output", r"C:\my runs"]) == r'--output "C:\my runs"'
