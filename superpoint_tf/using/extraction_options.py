"""The settings of extraction, and their command-line options, which every tool that extracts takes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import (
    add_detection_options,
    add_network_options,
    detection_from_options,
)
from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.looks import ONE_PHASE, ONE_SCALE

DEFAULT_WEIGHTS = "superpoint-small"
_SMALLEST_SIDE_PX = 16  # of --resize: below, no cell is left inside the border


@dataclass(frozen=True)
class ExtractionSettings:
    """How keypoints are found; `SuperPoint.extract` says what each means."""

    max_keypoints: int | None = 2048  # the strongest are kept
    threshold: float = 0.015  # probability
    nms_radius_px: int = 4  # square of side 2 r + 1
    subpixel: bool = False
    scales: tuple[float, ...] = ONE_SCALE
    phases: int = ONE_PHASE
    resize_px: int | None = None  # longest side of what the network sees; larger pictures are shrunk to it

    @property
    def detection(self) -> DetectionConfig:
        """Return the settings from heatmap to keypoints; raises ConfigError naming one out of its range."""
        return DetectionConfig(self.threshold, self.nms_radius_px, max_keypoints=self.max_keypoints)


def add_extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --weights and the options of `settings_from_arguments`."""
    default = ExtractionSettings()
    parser.add_argument(
        "--weights",
        type=command_line.place,
        default=DEFAULT_WEIGHTS,
        metavar="WHAT",
        help="a weights file, run folder, checkpoint or name that comes with the package (default: %(default)s)",
    )
    add_detection_options(parser, default.detection, ("max_keypoints", "threshold", "nms_radius_px"))
    add_network_options(parser)
    parser.add_argument(
        "--resize",
        type=_side,
        metavar="PX",
        help="shrink pictures whose longest side is above this; keypoints stay in pixels of the original",
    )


def settings_from_arguments(arguments: argparse.Namespace) -> ExtractionSettings:
    """Return what the options say."""
    detection = detection_from_options(arguments, ExtractionSettings().detection)
    return ExtractionSettings(
        detection.max_keypoints,
        detection.threshold,
        detection.nms_radius_px,
        arguments.subpixel,
        arguments.scales,
        arguments.phases,
        arguments.resize,
    )


def _side(text: str) -> int:
    side = command_line.positive_int(text)
    if side < _SMALLEST_SIDE_PX:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {_SMALLEST_SIDE_PX} pixels or more")
    return side
