"""The commands: what `python tools/NAME.py` runs, a module each with a `main`."""

from __future__ import annotations

import importlib

from superpoint_tf.command_line import run_tool


def run_command(name: str) -> None:
    """Run the command of this name with the arguments of this process, and end with its exit code."""
    run_tool(importlib.import_module(f"superpoint_tf.commands.{name}").main)
