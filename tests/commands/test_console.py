from __future__ import annotations

import sys

import pytest

import superpoint_tf
from superpoint_tf.commands import console
from superpoint_tf.runtime.invocation import COMMANDS


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs `superpoint-tf` with arguments and returns its exit code."""

    def run_console(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["/venv/bin/superpoint-tf", *arguments])
        try:
            console.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run_console


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_every_command_with_one_line(arguments: tuple[str, ...], run, capsys: pytest.CaptureFixture[str]):
    assert run(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, command in COMMANDS.items():
        assert [line.split(maxsplit=1)[1] for line in lines if line.split()[:1] == [name]] == [command.help]
    assert all(len(line) <= 100 for line in lines)


def test_version_is_the_packages(run, capsys: pytest.CaptureFixture[str]):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"superpoint-tf {superpoint_tf.__version__}\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("adpat", "did you mean `superpoint-tf adapt`?"),
        ("Match", "did you mean `superpoint-tf match`?"),
        ("homographic_adapt", "did you mean `superpoint-tf adapt`?"),
        ("import-weights", "did you mean `superpoint-tf import`?"),
        ("zzz", "there are generate, adapt, train,"),
        ("--halp", "(--help lists them)"),
    ],
)
def test_an_unknown_command_is_refused_and_what_is_near_is_named(
    name: str, words: str, run, capsys: pytest.CaptureFixture[str]
):
    assert run(name) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.startswith(f"error: {name!r}: no such command; ") and words in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gets_its_arguments_under_its_own_name(name: str, run, capsys: pytest.CaptureFixture[str]):
    assert run(name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: superpoint-tf {name} ")


def test_a_wrong_argument_of_a_command_is_its_own_error(run, capsys: pytest.CaptureFixture[str]):
    assert run("match", "a.png") == 2
    assert "required: B" in capsys.readouterr().err
