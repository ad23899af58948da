"""What a run says while it trains: the plan and the ETA by one rate, figures, TensorBoard, a bar on a terminal."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.runtime.progress import announce_cost
from superpoint_tf.training import reporting
from superpoint_tf.training.reporting import Reporter
from superpoint_tf.training.run_folder import RunFolder


class Clock:
    """A clock that a test winds on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(reporting, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_the_plan_and_the_first_eta_are_the_rate_after_the_step_that_compiles(
    clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    reporter = Reporter(RunFolder(tmp_path / "run"), 1000, 8, 0)
    clock.now += 90  # compiling
    reporter.warm(1)
    clock.now += 5 * 2
    announce_cost(reporter.console, reporter.remaining_s(6), 1e6)
    clock.now += 4 * 2
    reporter.train(10, {"total": 1.0}, 1e-3)
    reporter.close()
    plan, line = capsys.readouterr().out.splitlines()
    assert "expected 0:33:08 on" in plan  # 994 steps of 2 s
    assert "| 4.0 img/s | eta 0:33:00" in line  # 990 steps


def test_a_resumed_run_begins_where_it_stopped(clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    reporter = Reporter(RunFolder(tmp_path / "run"), 100, 1, 50)
    reporter.warm(51)
    clock.now += 9
    reporter.train(60, {}, 1e-3)
    reporter.close()
    assert "eta 0:00:40" in capsys.readouterr().out


def test_tensorboard_has_the_learning_rate_and_the_speed(clock: Clock, tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    reporter = Reporter(folder, 100, 8, 0)
    clock.now += 4
    reporter.train(2, {"total": 1.5}, 0.25)
    reporter.close()
    (events,) = folder.tensorboard.glob("*.v2")
    found = {
        value.tag: float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert found == {"train/total": 1.5, "train/learning_rate": 0.25, "train/images_per_second": 4.0}


def test_figures_are_announced_where_they_are_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = RunFolder(tmp_path / "run")
    reporter = Reporter(folder, 100, 8, 0)
    for step in (10, 20):
        reporter.validation(step, {"value": 0.5}, {"pairs": np.zeros((8, 8, 3), np.uint8)}, "value", 0.0)
    reporter.close()
    said = [line for line in capsys.readouterr().out.splitlines() if "look at" in line]
    assert said == [f" eval | look at {folder.figures}: pairs"] and (folder.figures / "pairs.png").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_a_bar_and_a_log_has_lines_alone(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", screen)
    folder = RunFolder(tmp_path / "run")
    reporter = Reporter(folder, 4, 1, 0)
    for step in range(1, 5):
        reporter.count(step)
    reporter.train(4, {"total": 1.0}, 1e-3)
    reporter.close()
    assert bool(re.search(r"train:? .*4", screen.getvalue())) == terminal
    assert capsys.readouterr().out == folder.log.read_text() and folder.log.read_text().count("\n") == 1
