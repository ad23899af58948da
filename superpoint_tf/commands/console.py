"""The command `superpoint-tf NAME ...`: finds what NAME stands for and hands the other arguments to it."""

from __future__ import annotations

import sys

import superpoint_tf
from superpoint_tf.commands import run_command
from superpoint_tf.runtime.invocation import COMMANDS, PROGRAM
from superpoint_tf.runtime.suggestions import nearest


def main() -> None:
    """Run the command that the arguments of this process name; --help lists them."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(f"{PROGRAM} {superpoint_tf.__version__}")
    elif name in COMMANDS:
        sys.argv = [f"{PROGRAM} {name}", *rest]
        run_command(COMMANDS[name].module)
    else:
        sys.exit(unknown(name))


def usage() -> str:
    """Return the commands, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND [...]",
            "",
            "Keypoints learnt without labels, in TensorFlow 2.",
            "",
            "commands:",
            *lines,
            "",
            f"{PROGRAM} COMMAND --help  lists its options",
            f"{PROGRAM} --version       prints the version",
        ]
    )


def unknown(name: str) -> int:
    """Say in one line that there is no such command, and what is near; return the exit code."""
    near = nearest(name, [*COMMANDS, *(command.module for command in COMMANDS.values())])
    meant = next((name for name, command in COMMANDS.items() if near in (name, command.module)), "")
    remedy = f"did you mean `{PROGRAM} {meant}`?" if meant else f"there are {', '.join(COMMANDS)}"
    print(f"error: {name[:60]!r}: no such command; {remedy} (--help lists them)", file=sys.stderr)
    return 2
