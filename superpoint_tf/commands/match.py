"""Match two pictures: python tools/match.py A.jpg B.jpg --homography --figure matches.png --panorama panorama.png

Match the pixels of a rectified pair: python tools/match.py LEFT RIGHT --weights WHAT --disparity disparity.png
"""

from __future__ import annotations

import argparse

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import detection_from_options, given_options
from superpoint_tf.config.inference import FLOAT32
from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE
from superpoint_tf.data.stereo.disparity_files import SUFFIXES, default_view
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.stereo.costs import DEFAULT_DISPARITIES
from superpoint_tf.using.extraction_options import (
    DEFAULT_DETECTION,
    DEFAULT_WEIGHTS,
    add_extraction_arguments,
    add_keypoint_arguments,
    check_keypoint_arguments,
    check_weights_arguments,
)
from superpoint_tf.using.views import VIEWS

RANSAC_PX = 3.0
_COSTS = ", ".join(f"{name}: {views.num_extractions} extractions" for name, views in VIEWS.items())


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Match two pictures and estimate their homography by RANSAC. Exit code 1: a homography was asked "
        "for, and the matches agree on none.",
        [
            "a.jpg b.jpg --figure matches.png",
            "a.jpg b.jpg --homography --panorama panorama.png --save-matches matches.npz",
            "a.jpg b.jpg --keypoints sift --descriptor hardnet --ratio 0.8",
            "left.png right.png --weights outputs/mc-cnn-fast-laptop --disparity disparity.png",
        ],
    )
    parser.add_argument("a", type=command_line.place, metavar="A", help="a picture")
    parser.add_argument("b", type=command_line.place, metavar="B", help="another")
    parser.add_argument("--homography", action="store_true", help="print the matrix that maps xy of A to xy of B")
    parser.add_argument(
        "--figure",
        type=command_line.output_file(".png", remote=True),
        metavar="PNG",
        help="draw the matches: green agree on the homography, red do not",
    )
    parser.add_argument(
        "--panorama",
        type=command_line.output_file(".png", remote=True),
        metavar="PNG",
        help="stitch: B warped onto the plane of A",
    )
    parser.add_argument(
        "--save-matches",
        type=command_line.output_file(".npz", ".txt", remote=True),
        metavar="FILE",
        help=".npz: all arrays; .txt: x0 y0 x1 y1 inlier, a line a match",
    )
    parser.add_argument(
        "--ratio",
        type=command_line.fraction,
        metavar="R",
        help="keep a match only if its distance is below R times that to the second nearest (default: no such test)",
    )
    parser.add_argument(
        "--threshold-px",
        type=command_line.positive_float,
        default=RANSAC_PX,
        metavar="PX",
        help="RANSAC counts a match as an inlier within this distance in B (default: %(default)s)",
    )
    parser.add_argument(
        "--views",
        choices=tuple(VIEWS),
        help="also look at synthesised views and keep the two that agree best. rotations: B turned by eighths; tilts: "
        f"both as if seen aslant. {_COSTS}, which take 2 without it",
    )
    parser.add_argument(
        "--disparity",
        type=command_line.output_file(*SUFFIXES, remote=True),
        metavar="FILE",
        help="A and B are the left and the right picture of a rectified pair: match all pixels by --weights of a "
        "stereo system and write how far each lies to the left in B; .png of 16 bits times 256, .pfm or .npy. A view "
        "in colours is --figure, or beside it",
    )
    parser.add_argument(
        "--disparities",
        type=command_line.positive_int,
        metavar="N",
        help=f"with --disparity: look at 0 to N - 1 pixels (default: {DEFAULT_DISPARITIES})",
    )
    add_extraction_arguments(parser)
    add_keypoint_arguments(parser)
    command_line.add_masks_argument(parser)
    arguments = parser.parse_args()
    check_keypoint_arguments(parser, arguments)
    check_disparity_arguments(parser, arguments)
    outputs = {
        "--figure": arguments.figure,
        "--panorama": arguments.panorama,
        "--save-matches": arguments.save_matches,
        "--disparity": arguments.disparity,
    }
    if arguments.disparity and not arguments.figure:
        outputs["the view of --disparity"] = default_view(arguments.disparity)
    command_line.check_outputs(parser, outputs, inputs=(arguments.a, arguments.b))
    return arguments


def check_picture(path: str) -> None:
    """Raise ValueError if there is no file of a picture."""
    place = storage.as_path(path)
    if not place.exists():
        raise ValueError(f"{path}: no such file")
    if place.is_dir():
        raise ValueError(f"{path}: is a folder; name a picture")


def check_disparity_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with an error for options that do not go with --disparity, or only with it."""
    if not arguments.disparity:
        if arguments.disparities:
            parser.error("--disparities is the range that --disparity FILE looks at: give that too")
        return
    of_keypoints = {
        "--homography": arguments.homography,
        "--panorama": arguments.panorama,
        "--save-matches": arguments.save_matches,
        "--ratio": arguments.ratio is not None,
        "--views": arguments.views,
        "--masks": arguments.masks,
        "--keypoints": arguments.keypoints,
        "--resize": arguments.resize,
        **dict.fromkeys(given_options(arguments), True),
        "--subpixel": arguments.subpixel,
        "--scales": arguments.scales != ONE_SCALE,
        "--phases": arguments.phases != ONE_PHASE,
        "--precision": arguments.precision != FLOAT32,
        "--threshold-px": arguments.threshold_px != RANSAC_PX,
    }
    given = [option for option, is_given in of_keypoints.items() if is_given]
    if given:
        parser.error(f"{', '.join(given)}: of keypoints, and --disparity has none; leave out one of the two")
    if arguments.weights == DEFAULT_WEIGHTS:
        parser.error(
            f"--disparity needs --weights of a stereo system; train one: {how_to_run('train')} "
            "configs/zoo/mc-cnn-fast-laptop.yaml"
        )


def main() -> None:
    arguments = parse_arguments()
    from superpoint_tf.data.photographs.masked_photographs import PhotographReading

    reading = PhotographReading(arguments.stretch, arguments.masks or "")
    for path in (arguments.a, arguments.b):
        check_picture(path)
    reading.check()
    check_weights_arguments(arguments)
    command_line.set_up_tensorflow()
    from superpoint_tf.runtime.progress import Console

    if arguments.disparity:
        from superpoint_tf.using.disparity import write_disparities

        what = arguments.weights, arguments.disparity, arguments.disparities or DEFAULT_DISPARITIES
        write_disparities(arguments.a, arguments.b, *what, Console(), arguments.figure or "", arguments.stretch)
        return
    from superpoint_tf.using.keypoint_extractors import open_extractor
    from superpoint_tf.using.match import match_pictures

    detection = detection_from_options(arguments, DEFAULT_DETECTION)
    what = (arguments.weights, arguments.keypoints, arguments.descriptor)
    console = Console()
    extractor = open_extractor(*what, detection, arguments.resize, arguments.precision)
    for note in extractor.notes:
        console.line("use", note)
    match_pictures(
        arguments.a,
        arguments.b,
        extractor,
        console,
        arguments.ratio,
        arguments.threshold_px,
        arguments.figure,
        arguments.save_matches,
        arguments.panorama,
        arguments.homography,
        arguments.views or "",
        reading,
    )
