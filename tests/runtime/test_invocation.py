from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from superpoint_tf.runtime import invocation
from superpoint_tf.runtime.invocation import COMMANDS, how_to_install, how_to_run, start_of


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "CHECKOUT", tmp_path)


def test_every_command_is_a_module_and_a_tool(checkout: Path):
    modules = {command.module for command in COMMANDS.values()}
    tools = {path.stem for path in (checkout / "tools").glob("*.py")}
    there = {path.stem for path in (checkout / "superpoint_tf" / "commands").glob("*.py")}
    assert tools - {"train_superpoint"} == modules == there - {"__init__", "__main__", "console"}


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("tools/match.py", "python tools/homographic_adapt.py"),
        ("-c", "python tools/homographic_adapt.py"),
        ("/venv/bin/superpoint-tf", "superpoint-tf adapt"),
        ("superpoint-tf match", "superpoint-tf adapt"),
    ],
)
def test_a_command_is_named_as_this_process_was_started(program: str, line: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", [program])
    assert how_to_run("homographic_adapt") == line


def test_without_a_checkout_a_command_is_that_of_the_package(installed: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["my_script.py"])
    assert how_to_run("train") == how_to_run("train_superpoint") == "superpoint-tf train"
    assert how_to_install("heic") == "pip install 'superpoint-tf[heic]'"
    assert start_of("import_weights") == [sys.executable, "-m", "superpoint_tf.commands", "import"]


def test_a_process_is_started_by_a_tool_that_is_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["tools/demo.py"])
    program, tool = start_of("train_superpoint")
    assert program == sys.executable and Path(tool).is_file()
    assert how_to_install("heic") == "pip install -e '.[heic]'"


@pytest.mark.parametrize("tool", ["train", "homographic_adapt"])
def test_the_module_of_the_commands_is_the_program(tool: str, installed: None, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", *start_of(tool)[3:], "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("superpoint_tf.commands", run_name="__main__")
    assert not end.value.code and capsys.readouterr().out.startswith(f"usage: {how_to_run(tool)}")
