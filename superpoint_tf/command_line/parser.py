"""The parser of every tool: errors in one line that say what was meant, and examples below the help."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from superpoint_tf.runtime.suggestions import did_you_mean

_OPTION = re.compile(r"--?[^\W\d][\w-]*")  # what is meant as one; -1 is a number


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of the tools are.

    Options are written out in full, and may stand before, between and behind what has none. `examples` are arguments
    that the help shows behind the program's name.
    """

    def __init__(self, description: str, examples: Sequence[str]) -> None:
        super().__init__(prog=program_name(sys.argv[0]), description=description, allow_abbrev=False)
        self._examples = examples

    def example_lines(self) -> list[str]:
        """Return the examples as a user types them."""
        return [f"{self.prog} {arguments}".rstrip() for arguments in self._examples]

    def format_help(self) -> str:
        """Return what --help shows."""
        return "\n  ".join([f"{super().format_help()}\nexamples:", *self.example_lines()]) + "\n"

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return what was given; ends with code 2 and one line for what cannot be."""
        given = sys.argv[1:] if args is None else list(args)
        self._refuse_unknown_options(given)
        # intermixed, argparse loses what stands behind --
        parse = super().parse_args if "--" in given else self.parse_intermixed_args
        parsed: argparse.Namespace = parse(given, namespace)
        if getattr(parsed, "config", "") is None:
            self.error("required: CONFIG, a YAML file such as configs/coco.yaml")
        return parsed

    def error(self, message: str) -> NoReturn:
        """End with code 2."""
        self.exit(2, f"error: {' '.join(message.split())} (--help lists what there is)\n")

    def _refuse_unknown_options(self, given: Sequence[str]) -> None:
        """Do it before argparse, which takes what follows an unknown option for something else."""
        known = self._option_string_actions
        for text in itertools.takewhile("--".__ne__, given):
            option = text.partition("=")[0]
            if _OPTION.fullmatch(option) and option not in known:
                self.error(f"{option}: no such option{self._meant_by(option)}")

    def _meant_by(self, option: str) -> str:
        for action in self._get_positional_actions():
            if action.dest == option.strip("-"):
                return f"; {action.metavar or action.dest} is given without one"
        return did_you_mean(option, self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            meant = did_you_mean(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{meant}") from None


def program_name(path: str) -> str:
    """Return what a user types to start a program: `python tools/NAME.py`, or the name of an installed command."""
    return f"python {path}" if path.endswith(".py") else Path(path).name
