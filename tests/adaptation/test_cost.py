"""What labelling is announced to cost: at the rate of the progress beside it, of which round it is said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from superpoint_tf.adaptation import labelling
from superpoint_tf.config import Config
from superpoint_tf.runtime import progress
from superpoint_tf.runtime.progress import Console, Progress


def said(rounds: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Label 4 of 100 photographs in 30 s and thrice 2 s; return the plan and the line of the progress then."""
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run: Any = SimpleNamespace(
        config=Config(), rounds=rounds, shard=(0, 1), photographs=SimpleNamespace(train=("a.png",) * 100)
    )
    with Progress(100, "adapt", "photographs", console=Console(), interval_s=1000) as shown:
        for seconds in (30, 2, 2, 2):
            now[0] += seconds
            shown.update()
        labelling._announce(run, 1, shown, Console())
        shown.log_line()
    plan, *_, line = capsys.readouterr().out.splitlines()
    return plan, line


def test_the_plan_of_one_round_is_the_eta(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    plan, line = said(1, monkeypatch, capsys)
    assert "expected 0:03:12 on this machine, " in plan  # 96 photographs of 2 s
    assert line.endswith("| 0.5/s | eta 0:03:12")


def test_the_plan_of_several_rounds_says_which_part_the_eta_is_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    plan, line = said(2, monkeypatch, capsys)
    assert "on this machine (0:03:12 of it for round 1), " in plan and line.endswith("eta 0:03:12")
