from __future__ import annotations

import argparse
import io
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from superpoint_tf import command_line
from superpoint_tf.command_line import (
    fraction,
    load_config_argument,
    non_negative_int,
    parse_shard,
    positive_float,
    positive_int,
    run_tool,
)
from superpoint_tf.config import ConfigError
from superpoint_tf.runtime.interruption import Interrupted


class OutOfDisk(Exception):
    """Stands for what TensorFlow raises; only the module's name counts."""

    __module__ = "tensorflow.python.framework.errors_impl"


def end_of(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a tool that raises `error`; return its exit code and what it printed on stderr."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        run_tool(main)
    captured = capsys.readouterr()
    assert captured.out == ""
    return int(str(end.value.code)), captured.err


@pytest.mark.parametrize("text, shard", [("0/1", (0, 1)), ("3/4", (3, 4))])
def test_a_shard_is_a_share_and_a_count(text: str, shard: tuple[int, int]):
    assert parse_shard(text) == shard


@pytest.mark.parametrize("text", ["", "1", "4/4", "-1/4", "0/0", "1/2/3", "a/b", "0.5/2"])
def test_a_shard_that_is_none_is_refused_with_an_example(text: str):
    with pytest.raises(argparse.ArgumentTypeError, match="for example 0/4"):
        parse_shard(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "two"])
def test_a_count_is_a_whole_number_above_zero(text: str):
    assert positive_int("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="whole number above 0"):
        positive_int(text)


@pytest.mark.parametrize("error", [ConfigError("a.yaml: bad"), ValueError("a.yaml: bad"), OSError("a.yaml: bad")])
def test_a_users_error_ends_with_code_2_and_one_line(error: Exception, capsys: pytest.CaptureFixture[str]):
    assert end_of(error, capsys) == (2, "error: a.yaml: bad\n")


def test_an_interruption_ends_with_the_shells_code_and_says_how_to_go_on(capsys: pytest.CaptureFixture[str]):
    go_on = "start the same command again to go on\n"
    assert end_of(Interrupted("stopped after step 3", signal.SIGTERM), capsys) == (
        143,
        f"stopped after step 3; {go_on}",
    )
    assert end_of(Interrupted("stopped after step 3", signal.SIGINT), capsys) == (130, f"stopped after step 3; {go_on}")
    assert end_of(KeyboardInterrupt(), capsys) == (130, f"interrupted; {go_on}")


def test_a_failure_that_is_not_the_users_ends_with_code_1_and_one_line(capsys: pytest.CaptureFixture[str]):
    assert end_of(OutOfDisk("no space left"), capsys) == (1, "error: no space left\n")


def test_a_defect_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_tool(lambda: print(1 // 0))


@pytest.mark.parametrize("error", [ConfigError("bad"), OutOfDisk("full")])
def test_a_variable_brings_every_traceback_back(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def main() -> None:
        raise error

    monkeypatch.setenv("SUPERPOINT_TF_TRACEBACK", "1")
    with pytest.raises(type(error)):
        run_tool(main)


def test_a_tool_that_succeeds_returns():
    run_tool(lambda: None)


def test_a_config_of_the_checkout_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    config = load_config_argument("configs/quickstart.yaml", ["seed=7"])
    assert (config.name, config.seed) == ("quickstart", 7)


def test_a_config_of_the_users_own_comes_before_the_checkouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "quickstart.yaml").write_text("seed: 5\n")
    monkeypatch.chdir(tmp_path)
    assert load_config_argument("configs/quickstart.yaml", []).seed == 5


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the configs of an installed package, which has no checkout about it."""
    configs = tmp_path / "site-packages" / "superpoint_tf" / "configs"
    (configs / "zoo").mkdir(parents=True)
    (configs / "coco.yaml").write_text("seed: 7")
    (configs / "zoo" / "ucn.yaml").write_text("seed: 8")
    monkeypatch.setattr("superpoint_tf.command_line.config_arguments.CHECKOUT", tmp_path / "site-packages")
    (tmp_path / "user").mkdir()
    monkeypatch.chdir(tmp_path / "user")
    return configs


@pytest.mark.parametrize(("name", "seed"), [("configs/coco.yaml", 7), ("configs/zoo/ucn.yaml", 8)])
def test_a_config_of_an_installed_package_is_found_by_its_name(name: str, seed: int, installed: Path):
    assert load_config_argument(name, []).seed == seed


@pytest.mark.parametrize("name", ["configs/cocoa.yaml", "config/coco.yaml"])
def test_a_name_that_is_near_that_of_a_config_is_answered_with_it(name: str, installed: Path):
    with pytest.raises(ConfigError, match=rf"^{name}: cannot be read .*did you mean configs/coco\.yaml"):
        load_config_argument(name, [])


def test_a_name_that_the_terminals_encoding_lacks_is_printed_with_its_number(monkeypatch: pytest.MonkeyPatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    run_tool(lambda: print("\N{GREEK SMALL LETTER BETA}.jpg"))
    assert terminal.buffer.getvalue().strip() == rb"\u03b2.jpg"  # type: ignore[attr-defined]


def test_a_config_that_is_nowhere_is_named_as_the_user_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^configs/nowhere\.yaml: cannot be read"):
        load_config_argument("configs/nowhere.yaml", [])


def test_set_takes_several_settings_at_once_and_may_be_repeated():
    parser = argparse.ArgumentParser()
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    arguments = parser.parse_args(["--set", "seed=1", "workers=0", "--set", "train=detector"])
    assert arguments.config == "configs/coco.yaml"
    assert arguments.overrides == ["seed=1", "workers=0", "train=detector"]
    assert parser.parse_args([]).overrides == []  # nothing stays from the call before


def test_a_tool_with_an_unknown_key_says_which_is_meant_and_creates_nothing(checkout: Path, tmp_path: Path):
    tool = str(checkout / "tools" / "train_superpoint.py")
    command = [sys.executable, tool, "configs/quickstart.yaml", "--set", "jont.steps=3"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "unknown key `jont`; did you mean `joint`?" in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (non_negative_int, {"0": 0, "7": 7}, ["-1", "1.5", ""]),
        (positive_float, {"0.5": 0.5, "3": 3.0}, ["0", "-1", "nan", "inf", "x"]),
        (fraction, {"0": 0.0, "1": 1.0, ".25": 0.25}, ["-0.1", "1.1", "nan", "x"]),
    ],
)
def test_numbers_out_of_their_range_are_refused(parse: Callable, good: dict[str, float], bad: list[str]):
    assert {text: parse(text) for text in good} == good
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match="expected a"):
            parse(text)
