"""The memory measurement sees an allocation, also one that earlier ones could hide."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from superpoint_tf.benchmarks.peak_memory import Job, measure_peaks

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc for the peak memory")
ALLOCATION = """
import numpy as np

def prepare(size, freed=0):
    np.ones(freed, np.uint8)
    return lambda: np.ones(size, np.uint8)

def broken():
    raise ValueError("no such size")
"""


@pytest.fixture()
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "allocation.py").write_text(ALLOCATION)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "allocation:prepare"


@linux
def test_an_allocation_of_50_mb_is_seen_even_after_a_larger_one_was_freed(target: str) -> None:
    jobs = [Job(target, {"size": 50_000_000}), Job(target, {"size": 50_000_000, "freed": 200_000_000})]
    assert measure_peaks(jobs) == pytest.approx([50e6, 50e6], abs=2e6)


def test_a_process_that_fails_says_why(target: str) -> None:
    with pytest.raises(ValueError, match=r"allocation:broken failed with code 1: ValueError: no such size"):
        measure_peaks([Job("allocation:broken", {})])
