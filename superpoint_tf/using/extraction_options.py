"""The command-line options of every tool that extracts, and their defaults."""

from __future__ import annotations

import argparse

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import add_detection_options, add_network_options
from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.inference import FLOAT32, INFERENCE_PRECISIONS
from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.networks.pretrained import check_weights, exists, pretrained_names
from superpoint_tf.runtime.suggestions import did_you_mean

DEFAULT_WEIGHTS = "superpoint-small"
DEFAULT_DETECTION = DetectionConfig(max_keypoints=2048)
CLASSICAL_KEYPOINTS = {name.lower(): name for name in CLASSICAL}  # rows of that table by what --keypoints calls them
_SMALLEST_SIDE_PX = 16  # of --resize: below, no cell is left inside the border


def add_extraction_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --weights, the options that `detection_from_options` reads, --resize and --stretch."""
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
    parser.add_argument(
        "--precision",
        choices=INFERENCE_PRECISIONS,
        default=FLOAT32,
        help="networks: of their arithmetic; auto measures both, takes bfloat16 if it is faster (default: %(default)s)",
    )
    command_line.add_stretch_argument(parser, NO_STRETCH)


def add_keypoint_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --keypoints and --descriptor, in place of --weights."""
    parser.add_argument(
        "--keypoints",
        type=command_line.place,
        metavar="WHAT",
        help=f"in place of --weights: {', '.join(CLASSICAL_KEYPOINTS)}, with its own descriptors if it has any, or "
        "weights of a network for pictures",
    )
    parser.add_argument(
        "--descriptor",
        type=command_line.place,
        metavar="WHAT",
        help="with --keypoints: weights of a patch system (hardnet, tfeat, ...), which describes them",
    )


def check_keypoint_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with an error for options that do not go together."""
    if arguments.descriptor and not arguments.keypoints:
        parser.error(f"--descriptor {arguments.descriptor} describes patches: name keypoints, --keypoints sift")
    if not arguments.keypoints:
        return
    if arguments.weights != DEFAULT_WEIGHTS:
        parser.error(f"--weights {arguments.weights} finds keypoints and describes them: leave out it or --keypoints")
    of_networks = {
        "--threshold": arguments.threshold is not None,
        "--subpixel": arguments.subpixel,
        "--scales": arguments.scales != ONE_SCALE,
        "--phases": arguments.phases != ONE_PHASE,
        "--precision": arguments.precision != FLOAT32,
    }
    given = [option for option, is_given in of_networks.items() if is_given]
    if given and arguments.keypoints.lower() in CLASSICAL_KEYPOINTS:
        parser.error(f"{', '.join(given)}: of networks; {arguments.keypoints} has settings of its own")


def _side(text: str) -> int:
    side = command_line.positive_int(text)
    if side < _SMALLEST_SIDE_PX:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {_SMALLEST_SIDE_PX} pixels or more")
    return side


def check_weights_arguments(arguments: argparse.Namespace) -> None:
    """Raise FileNotFoundError for weights, ValueError for keypoints, that are named and are not there."""
    keypoints, descriptor = getattr(arguments, "keypoints", None), getattr(arguments, "descriptor", None)
    if keypoints is None:
        check_weights(arguments.weights)
    else:
        check_keypoints(keypoints)
    if descriptor is not None:
        check_weights(descriptor)


def check_keypoints(keypoints: str) -> None:
    """Raise ValueError, naming what there is, if `--keypoints` is neither a detector nor weights that are there."""
    known = [*CLASSICAL_KEYPOINTS, *pretrained_names()]
    if keypoints.lower() not in CLASSICAL_KEYPOINTS and not exists(keypoints):
        there = f"no detector of that name and no weights there; there are {', '.join(known)}"
        raise ValueError(f"--keypoints {keypoints}: {there}{did_you_mean(keypoints.lower(), known)}")
