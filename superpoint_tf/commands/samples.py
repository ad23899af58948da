"""Write pictures and a video to try the commands on: python tools/samples.py"""

from __future__ import annotations

import argparse

from superpoint_tf import command_line
from superpoint_tf.runtime.invocation import how_to_run

EXAMPLES = ["", "samples/"]


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Write a.jpg and b.jpg, two views of one photograph, clip.mp4, photographs/ and a 16-bit thermal.png, made of "
        "the photographs that scikit-image ships.",
        EXAMPLES,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=command_line.output_folder,
        default=".",
        metavar="DIR",
        help="where to (default: here)",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    from superpoint_tf.demonstration.samples import write_samples
    from superpoint_tf.runtime.progress import Console

    console = Console()
    first, second, *others = (str(path) for path in write_samples(arguments.folder))
    for path in (first, second, *others):
        console.line("wrote", path)
    console.line("next", f"{how_to_run('match')} {first} {second} --homography --figure matches.png")
