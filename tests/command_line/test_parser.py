"""The parser of every tool: what was meant is suggested, options stand anywhere, examples are in the help."""

from __future__ import annotations

import pytest

from superpoint_tf.command_line.parser import Parser, program_name


def parser() -> Parser:
    made = Parser("What it does.", ["a.png --size 3", ""])
    made.add_argument("pictures", nargs="+", metavar="PICTURES")
    made.add_argument("--size", type=int)
    made.add_argument("--sort", choices=("name", "date"))
    made.add_argument("--several", nargs="+", default=[])
    return made


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png", "--sise", "3"], "--sise: no such option; did you mean --size?"),
        (["a.png", "--sise=3"], "--sise: no such option; did you mean --size?"),
        (["-size", "3", "a.png"], "-size: no such option; did you mean --size?"),
        (["--sise", "3", "--sort", "nam"], "--sise: no such option"),  # before what follows from it
        (["--pictures", "a.png"], "--pictures: no such option; PICTURES is given without one"),
        (["a.png", "--quite-another"], "--quite-another: no such option (--help"),
        (["a.png", "--sort", "nme"], "invalid choice: 'nme' (choose from 'name', 'date'); did you mean name?"),
        (["a.png", "--sort", "sideways"], "'date') (--help"),
    ],
)
def test_what_was_meant_is_said_in_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        parser().parse_args(arguments)
    line = capsys.readouterr().err
    assert end.value.code == 2 and line.startswith("error: ") and line.count("\n") == 1 and words in line


def test_options_stand_before_between_and_behind_what_has_none():
    found = parser().parse_args(["a.png", "--size", "3", "b.png", "--several", "x", "y"])
    assert (found.pictures, found.size, found.several) == (["a.png", "b.png"], 3, ["x", "y"])
    assert parser().parse_args(["--size", "-3", "--", "--strange.png"]).pictures == ["--strange.png"]


def test_the_help_ends_with_the_examples_behind_the_programs_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["tools/sort.py"])
    assert (
        parser()
        .format_help()
        .endswith("\n\nexamples:\n  python tools/sort.py a.png --size 3\n  python tools/sort.py\n")
    )


def test_a_program_is_named_as_it_is_started():
    assert program_name("tools/extract.py") == "python tools/extract.py"
    assert program_name("/usr/bin/superpoint-tf") == "superpoint-tf"
