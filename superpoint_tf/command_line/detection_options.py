"""The command-line options of detection, of one spelling in every tool; `DetectionConfig` alone knows their ranges."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from superpoint_tf.command_line.arguments import positive_int
from superpoint_tf.config import ConfigError, DetectionConfig
from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE, PHASES, check_scales

_OPTIONS: dict[str, tuple[str, str, Callable[[str], Any], str]] = {  # field: option, unit, parser of the text, help
    "max_keypoints": ("--max-keypoints", "N", positive_int, "the strongest are kept"),
    "threshold": ("--threshold", "P", float, "lowest probability of a keypoint"),
    "nms_radius_px": ("--nms-radius", "PX", int, "a keypoint removes weaker ones this near"),
    "border_px": ("--border", "PX", int, "keypoints nearer to the frame are dropped"),
}


def add_detection_options(
    parser: argparse.ArgumentParser, default: DetectionConfig, names: Sequence[str] = tuple(_OPTIONS)
) -> None:
    """Add the options of these fields of DetectionConfig; the parsed attributes have the fields' names.

    An option that was not given is None, so that a tool can tell; `detection_from_options` puts `default` in its place.
    """
    for name in names:
        option, unit, parse, text = _OPTIONS[name]
        parser.add_argument(
            option,
            dest=name,
            type=_checked(name, parse),
            metavar=unit,
            help=f"{text} (default: {getattr(default, name)})",
        )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add what makes a network's keypoints more exact: --subpixel, --scales and --phases."""
    parser.add_argument("--subpixel", action="store_true", help="networks: refine keypoints by soft-argmax, 7x7 pixels")
    parser.add_argument(
        "--scales",
        type=_scales,
        default=ONE_SCALE,
        metavar="S,S",
        help="networks: see each picture at these scales together; 1,1.5 is more exact and computes 3.25 times as much",
    )
    parser.add_argument(
        "--phases",
        type=int,
        choices=PHASES,
        default=ONE_PHASE,
        metavar="N",
        help="networks: see each picture N times at each scale, moved by parts of a cell of 8 pixels: 2, 4 or 16; more "
        "exact, and computes N times as much",
    )


def given_options(arguments: argparse.Namespace) -> list[str]:
    """Return the options that the user gave."""
    return [option for name, (option, *_) in _OPTIONS.items() if getattr(arguments, name, None) is not None]


def detection_from_options(arguments: argparse.Namespace, default: DetectionConfig) -> DetectionConfig:
    """Return what the options say, of a network too, and `default` where they say nothing."""
    given = {field.name: getattr(arguments, field.name, None) for field in dataclasses.fields(DetectionConfig)}
    return dataclasses.replace(default, **{name: value for name, value in given.items() if value is not None})


def _scales(text: str) -> tuple[float, ...]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r}: expected numbers with commas between, such as 1,1.5"
        ) from None
    try:
        return check_scales(numbers)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _checked(name: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    kind = "a number" if parse is float else "a whole number"

    def parse_and_check(text: str) -> Any:
        try:
            value = parse(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text[:60]!r}: expected {kind}") from None
        try:
            DetectionConfig(**{name: value})
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return value

    return parse_and_check
