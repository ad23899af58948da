"""SIGKILL, SIGTERM and Ctrl-C at any moment lose nothing: the next start ends as a run that nobody disturbed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from killing import INTERVAL, TOOLS, Laboratory, Server, end_again_and_again

KILLS, STOPS = 25, 8  # of each tool, and by each polite signal


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    server = Server()
    yield Laboratory(server, tmp_path_factory.mktemp("killed"))
    server.close()


@pytest.mark.parametrize("name", ["generate", "detector"])
def test_some_seeded_kills_lose_nothing(laboratory: Laboratory, name: str):
    record = end_again_and_again(laboratory, name, count=5, seed=1)
    assert max(record.steps_repeated) <= INTERVAL


@pytest.mark.slow
@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_killed_at_any_moment_ends_like_one_that_was_not(laboratory: Laboratory, name: str):
    record = end_again_and_again(laboratory, name, KILLS, seed=2)
    print(f"\n{name}: {record.kills} kills, {record.finished} folders, steps again {record.steps_repeated}")
    print(f"killed at {sorted(record.kinds)}")
    assert max(record.steps_repeated) <= INTERVAL
    assert any(kind.startswith("half of") for kind in record.kinds)
    assert any(kind.startswith("rename") for kind in record.kinds)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_stopped_politely_repeats_at_most_one_step(laboratory: Laboratory, name: str, number: signal.Signals):
    record = end_again_and_again(laboratory, name, STOPS, seed=3, number=number)
    print(
        f"\n{name}: {record.kills} times {number.name}, {record.finished} folders, steps again {record.steps_repeated}"
    )
    assert max(record.steps_repeated) <= 1
