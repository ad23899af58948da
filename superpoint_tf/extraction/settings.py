"""The settings of extraction, and their command-line options, which every tool that extracts takes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from superpoint_tf import command_line

DEFAULT_WEIGHTS = "superpoint-small"
_SMALLEST_SIDE_PX = 16  # of --resize: below, no cell is left inside the border


@dataclass(frozen=True)
class ExtractionSettings:
    """How keypoints are found; `SuperPoint.extract` says what each means."""

    max_keypoints: int = 2048  # the strongest are kept
    threshold: float = 0.015  # probability
    nms_radius_px: int = 4  # square of side 2 r + 1
    subpixel: bool = False
    resize_px: int | None = None  # longest side of what the network sees; larger pictures are shrunk to it


def add_extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --weights and the options of `settings_from_arguments`."""
    default = ExtractionSettings()
    parser.add_argument(
        "--weights",
        default=DEFAULT_WEIGHTS,
        metavar="WHAT",
        help="a weights file, run folder, checkpoint or name that comes with the package (default: %(default)s)",
    )
    parser.add_argument(
        "--max-keypoints",
        type=command_line.positive_int,
        default=default.max_keypoints,
        metavar="N",
        help="the strongest are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--threshold",
        type=command_line.fraction,
        default=default.threshold,
        metavar="P",
        help="lowest probability of a keypoint (default: %(default)s)",
    )
    parser.add_argument(
        "--nms-radius",
        type=command_line.non_negative_int,
        default=default.nms_radius_px,
        metavar="PX",
        help="a keypoint removes weaker ones this near, in pixels of what the network sees (default: %(default)s)",
    )
    parser.add_argument("--subpixel", action="store_true", help="refine keypoints by soft-argmax over 9x9 pixels")
    parser.add_argument(
        "--resize",
        type=_side,
        metavar="PX",
        help="shrink pictures whose longest side is above this; keypoints stay in pixels of the original",
    )


def settings_from_arguments(arguments: argparse.Namespace) -> ExtractionSettings:
    """Return what the options say."""
    return ExtractionSettings(
        arguments.max_keypoints, arguments.threshold, arguments.nms_radius, arguments.subpixel, arguments.resize
    )


def _side(text: str) -> int:
    side = command_line.positive_int(text)
    if side < _SMALLEST_SIDE_PX:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {_SMALLEST_SIDE_PX} pixels or more")
    return side
