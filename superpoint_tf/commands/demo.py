"""Label, detect and match on bundled photographs: python tools/demo.py"""

from __future__ import annotations

import argparse

from superpoint_tf import command_line


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Label, detect and match on bundled photographs with the weights that come with the package.",
        ["", "--output outputs/demo", "--from-scratch"],
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="train the whole chain first, at laptop size: some ten minutes"
    )
    parser.add_argument(
        "--pictures",
        type=command_line.output_folder,
        metavar="DIR",
        help="draw the pictures of README and docs/results.md into DIR, and nothing else",
    )
    parser.add_argument(
        "--output",
        type=command_line.output_folder,
        metavar="DIR",
        help="folder for everything (default: outputs/demo or outputs/demo-from-scratch)",
    )
    arguments = parser.parse_args()
    if arguments.pictures and (arguments.from_scratch or arguments.output):
        parser.error("--pictures draws two pictures and nothing else: --from-scratch and --output do not apply")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    output = arguments.output or ("outputs/demo-from-scratch" if arguments.from_scratch else "outputs/demo")
    command_line.set_up_tensorflow()
    from superpoint_tf.demonstration.demonstration import redraw_pictures, run_demo
    from superpoint_tf.runtime.progress import Console

    if arguments.pictures:
        redraw_pictures(arguments.pictures, Console())
        return
    run_demo(output, Console(), arguments.from_scratch)
