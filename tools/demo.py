"""Run the whole chain at laptop size on bundled photographs: python tools/demo.py"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf import command_line


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the whole chain at laptop size on bundled photographs.")
    parser.add_argument("--output", default="outputs/demo", help="folder for everything (default: %(default)s)")
    arguments = parser.parse_args()
    command_line.set_up_tensorflow()
    from superpoint_tf.demonstration import run_demo
    from superpoint_tf.progress import Console

    run_demo(arguments.output, Console())


if __name__ == "__main__":
    command_line.run_tool(main)
