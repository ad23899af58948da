from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from superpoint_tf.runtime import progress
from superpoint_tf.runtime.progress import Console, Progress, announce_cost, format_bytes, format_duration

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A clock that a test winds on."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock.monotonic))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    return clock


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0:00:00"),
        (59.4, "0:00:59"),
        (59.6, "0:01:00"),
        (3661, "1:01:01"),
        (86399, "23:59:59"),
        (86400, "1d 0:00:00"),
        (3 * 86400 + 7325, "3d 2:02:05"),
    ],
)
def test_a_duration_is_hours_minutes_seconds_with_days_in_front(seconds: float, text: str):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1536, "1.54 kB"),
        (999_600, "1 MB"),  # not 1e+03 kB
        (5.2e6, "5.2 MB"),
        (43_210_000_000, "43.2 GB"),
        (2e12, "2 TB"),
    ],
)
def test_bytes_have_a_decimal_unit_and_three_digits(count: float, text: str):
    assert format_bytes(count) == text


def test_a_line_has_its_label_right_aligned_and_goes_to_the_log_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    console = Console(tmp_path / "new" / "log.txt")
    console.line("data", "8 pictures")
    console.line("train", "done")
    console.close()
    assert capsys.readouterr().out == " data | 8 pictures\ntrain | done\n"
    assert (tmp_path / "new" / "log.txt").read_text() == " data | 8 pictures\ntrain | done\n"


def test_a_log_is_continued_not_overwritten(tmp_path: Path):
    for text in ("first", "second"):
        console = Console(tmp_path / "log.txt")
        console.line("train", text)
        console.close()
    assert (tmp_path / "log.txt").read_text() == "train | first\ntrain | second\n"


@pytest.mark.parametrize("hours, named", [(0.1, False), (2.0, False), (2.01, True)])
def test_only_above_two_hours_the_quick_command_is_named(hours: float, named: bool, capsys: pytest.CaptureFixture[str]):
    announce_cost(Console(quick_command="python tools/quick.py"), hours * 3600, 2e9)
    out = capsys.readouterr().out
    assert f"expected {format_duration(hours * 3600)} on this machine, 2 GB on disk" in out
    assert ("python tools/quick.py" in out) == named
    assert ("continues when started again" in out) == named


def test_without_a_terminal_progress_is_a_line_an_interval_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with Progress(4, "adapt", "photographs", interval_s=15) as bar:
        for second in (110, 116, 120, 140):
            clock.now = second
            bar.update(1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "adapt | 2/4 photographs | 0.2/s | eta 0:00:12",  # 1 in 6 s, 2 to go; the first took 10 s
        "adapt | 4/4 photographs | 0.1/s",
    ]


def test_a_line_shows_its_figures_in_order(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with Progress(10, "eval", "pairs", interval_s=0) as bar:
        bar.update()
        clock.now += 2
        bar.update(4, **{"kp/img": 37.512, "file": "a.png"})
    first, line = capsys.readouterr().out.splitlines()
    assert first == " eval |  1/10 pairs"  # whose time says nothing of the others'
    assert line == " eval |  5/10 pairs | 37.51 kp/img | a.png file | 2.0/s | eta 0:00:02"


def test_what_an_earlier_run_did_does_not_count_for_the_rate(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with Progress(100, "adapt", "photographs", initial=90, interval_s=0) as bar:
        bar.update()
        clock.now += 5
        bar.update(5)
    assert capsys.readouterr().out.splitlines()[-1] == "adapt |  96/100 photographs | 1.0/s | eta 0:00:04"


def test_the_rate_leaves_out_the_first_item_and_what_an_earlier_run_did(
    clock: Clock, capsys: pytest.CaptureFixture[str]
):
    with Progress(100, "adapt", "photographs", interval_s=0) as bar:
        bar.skip(40)
        clock.now += 60  # compiling
        bar.update()
        bar.skip()
        clock.now += 4
        bar.update(2)
        assert bar.rate == 0.5
    assert capsys.readouterr().out.splitlines()[-1] == "adapt |  44/100 photographs | 0.5/s | eta 0:01:52"


def test_the_rate_of_what_comes_in_bursts_counts_from_the_beginning(clock: Clock, capsys: pytest.CaptureFixture[str]):
    with Progress(12, "adapt", "photographs", in_bursts=True) as bar:
        clock.now += 60
        for _ in range(12):  # what a worker found, at once
            bar.update()
    assert capsys.readouterr().out.splitlines()[-1] == "adapt | 12/12 photographs | 0.2/s"


def test_what_is_watched_comes_through_and_is_counted(clock: Clock, capsys: pytest.CaptureFixture[str]):
    assert list(progress.watched(iter("abc"), 3, "check", "photographs", Console())) == ["a", "b", "c"]
    assert capsys.readouterr().out.startswith("check | 3/3 photographs")


def test_a_bar_is_seen_while_c_code_is_held_back():
    code = (
        "import os, sys; sys.stderr.isatty = lambda: True\n"
        "from superpoint_tf.runtime.progress import Progress\n"
        "from superpoint_tf.runtime.quiet import held_back\n"
        "with held_back(), held_back():\n"
        "    os.write(2, b'of the converter')\n"
        "    with Progress(3, 'int8', 'inputs') as bar: bar.update(); os.write(2, b'more of it'); bar.update()\n"
        "os.write(2, b'later')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "int8" in done.stderr and done.stderr.endswith("later") and "of " not in done.stderr


def test_on_a_terminal_progress_is_a_bar_and_no_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress(4, "adapt", "photographs", interval_s=0) as bar:
        bar.update(4, keypoints=3.0)
    captured = capsys.readouterr()
    assert captured.out == "" and "adapt" in captured.err
