"""How much memory there is: the machine's, or less where a control group limits it."""

from __future__ import annotations

from pathlib import Path

import pytest

from superpoint_tf.runtime import memory
from superpoint_tf.runtime.memory import PictureTooLarge, check_memory, estimate_bytes, free_bytes


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal: 3000 kB\nMemAvailable: 2000 kB\n")
    (tmp_path / "cgroup").write_text("0::/slice/job\n")
    (tmp_path / "fs/slice/job").mkdir(parents=True)
    monkeypatch.setattr(memory, "_MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_OWN_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path / "fs")
    return tmp_path


def limit(group: Path, limit: str, used: int, cache: int) -> None:
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 7\nactive_file {cache}\ninactive_file 0\n")


def test_without_a_group_it_is_what_the_machine_has_available(machine: Path):
    assert free_bytes() == 2000 * 1024


def test_the_tightest_group_counts_and_its_file_cache_is_free(machine: Path):
    limit(machine / "fs/slice", "900000", used=400_000, cache=100_000)
    limit(machine / "fs/slice/job", "max", used=1, cache=0)
    assert free_bytes() == 600_000


def test_where_nothing_is_known_nothing_is_refused(machine: Path):
    (machine / "meminfo").unlink()
    (machine / "cgroup").unlink()
    assert free_bytes() is None
    check_memory((100_000, 100_000), 64)


def test_what_does_not_fit_is_refused_with_its_size_and_a_side_that_fits(machine: Path):
    with pytest.raises(PictureTooLarge, match=r"4000x3000 pixels .* --resize 48 or less"):
        check_memory((3000, 4000), 64)
    check_memory((36, 48), 64)


def test_the_estimate_grows_with_pixels_and_channels():
    assert estimate_bytes((200, 100), 32) == 2 * estimate_bytes((100, 100), 32)
    assert estimate_bytes((100, 100), 64) > 1.5 * estimate_bytes((100, 100), 32)
