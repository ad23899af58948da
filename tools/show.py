"""Show keypoints and heatmap over pictures and videos: python tools/show.py picture.jpg --output keypoints.png"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf import command_line
from superpoint_tf.extraction.settings import add_extraction_arguments, settings_from_arguments


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Show keypoints and heatmap over pictures and videos: in a window, or with --output or without a "
        "display, in files."
    )
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="pictures, folders, patterns, videos, `bundled`")
    parser.add_argument(
        "--output", metavar="PATH", help="save: a .png for a picture, an .mp4 for a video, a folder for several"
    )
    parser.add_argument(
        "--every", type=command_line.positive_int, default=1, metavar="N", help="take each N-th frame of videos"
    )
    add_extraction_arguments(parser)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    from superpoint_tf.extraction.sources import find_sources

    sources = find_sources(arguments.images)
    command_line.set_up_tensorflow()
    from superpoint_tf.extraction.extractor import Extractor
    from superpoint_tf.progress import Console
    from superpoint_tf.viewing.run import DEFAULT_FOLDER, show_all
    from superpoint_tf.viewing.window import Window, has_display

    console = Console()
    live = not arguments.output and has_display()
    if not live and not arguments.output:
        console.line("show", f"no display: saving in {DEFAULT_FOLDER}")
    extractor = Extractor(arguments.weights, settings_from_arguments(arguments))
    window = Window() if live else None
    signal_number = show_all(sources, extractor, console, window, arguments.output, arguments.every)
    if signal_number is not None:
        sys.exit(128 + signal_number)


if __name__ == "__main__":
    command_line.run_tool(main)
