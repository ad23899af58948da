"""The command-line options of every tool that extracts, and their defaults."""

from __future__ import annotations

import argparse

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import add_detection_options, add_network_options
from superpoint_tf.config import DetectionConfig

DEFAULT_WEIGHTS = "superpoint-small"
DEFAULT_DETECTION = DetectionConfig(max_keypoints=2048)
_SMALLEST_SIDE_PX = 16  # of --resize: below, no cell is left inside the border


def add_extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --weights, the options that `detection_from_options` reads, and --resize."""
    parser.add_argument(
        "--weights",
        type=command_line.place,
        default=DEFAULT_WEIGHTS,
        metavar="WHAT",
        help="a weights file, run folder, checkpoint or name that comes with the package (default: %(default)s)",
    )
    add_detection_options(parser, DEFAULT_DETECTION, ("max_keypoints", "threshold", "nms_radius_px"))
    add_network_options(parser)
    parser.add_argument(
        "--resize",
        type=_side,
        metavar="PX",
        help="shrink pictures whose longest side is above this; keypoints stay in pixels of the original",
    )


def _side(text: str) -> int:
    side = command_line.positive_int(text)
    if side < _SMALLEST_SIDE_PX:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {_SMALLEST_SIDE_PX} pixels or more")
    return side
