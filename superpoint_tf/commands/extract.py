"""Extract keypoints and descriptors: python tools/extract.py photographs/ --output features.h5"""

from __future__ import annotations

import argparse
from functools import partial

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import detection_from_options
from superpoint_tf.config.inference import FLOAT32
from superpoint_tf.runtime.interruption import Finished
from superpoint_tf.using.extraction_options import (
    DEFAULT_DETECTION,
    add_extraction_arguments,
    add_keypoint_arguments,
    check_keypoint_arguments,
    check_weights_arguments,
)


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Extract keypoints and descriptors into an HDF5 file in the layout of hloc. What is in the file is "
        "skipped; a run that was stopped or killed goes on.",
        [
            "photographs/ --output features.h5",
            "a.jpg 'trip/*.jpg' clip.mp4 --every 10 --max-keypoints 1000",
            "photographs/ --keypoints sift --descriptor hardnet --output sift-hardnet.h5",
            "photographs/ --colmap database.db --colmap-single-camera",
            "photographs/ --output features.h5 --ray 10.0.0.1:6379",
        ],
    )
    parser.add_argument(
        "images",
        type=command_line.place,
        nargs="+",
        metavar="IMAGES",
        help="folders, pictures, patterns such as 'trip/*.jpg', videos, `bundled`",
    )
    parser.add_argument(
        "--output",
        type=command_line.output_file(".h5", ".hdf5", ""),
        default="features.h5",
        metavar="FILE",
        help="the file (default: %(default)s)",
    )
    add_extraction_arguments(parser)
    add_keypoint_arguments(parser)
    command_line.add_masks_argument(parser)
    command_line.add_ray_argument(parser)
    parser.add_argument(
        "--every", type=command_line.positive_int, default=1, metavar="N", help="take each N-th frame of videos"
    )
    parser.add_argument(
        "--write-frames",
        type=command_line.output_folder,
        metavar="DIR",
        help="also write the frames of videos there as pictures, under their names in the file: COLMAP reads colours",
    )
    parser.add_argument("--strict", action="store_true", help="stop at a picture that cannot be used")
    parser.add_argument("--overwrite", action="store_true", help="replace a file made by other weights or settings")
    parser.add_argument(
        "--colmap",
        type=command_line.output_file(".db", ".sqlite", ".sqlite3", ""),
        metavar="DATABASE",
        help="also write a COLMAP database with the matches of all pairs",
    )
    parser.add_argument(
        "--colmap-overlap",
        type=command_line.positive_int,
        metavar="K",
        help="match each picture with the K next by name alone, for sequences",
    )
    parser.add_argument(
        "--colmap-single-camera",
        action="store_true",
        help="pictures of one size share a camera (default: those of a video do)",
    )
    arguments = parser.parse_args()
    check_keypoint_arguments(parser, arguments)
    if not arguments.colmap and (arguments.colmap_overlap or arguments.colmap_single_camera):
        parser.error("--colmap-overlap and --colmap-single-camera need --colmap DATABASE")
    command_line.check_outputs(
        parser, {"--output": arguments.output, "--colmap": arguments.colmap}, inputs=arguments.images
    )
    return arguments


def main() -> None:
    arguments = parse_arguments()
    command_line.check_cluster(arguments.ray)
    from superpoint_tf.using.picture_sources import find_sources, list_passed_over

    sources = find_sources(arguments.images)
    from superpoint_tf.data.photographs.masked_photographs import PhotographReading

    reading = PhotographReading(arguments.stretch, arguments.masks or "")
    reading.check()
    check_weights_arguments(arguments)
    command_line.set_up_tensorflow()
    from superpoint_tf.data.photographs.videos import FrameFolder
    from superpoint_tf.runtime.progress import Console
    from superpoint_tf.using.database import export_database
    from superpoint_tf.using.extract import extract_batch
    from superpoint_tf.using.keypoint_extractors import open_extractor
    from superpoint_tf.using.picture_extraction import ExtractionCluster

    console = Console()
    for kind in list_passed_over(arguments.images):
        console.line("left", f"passed over: {kind}")
    detection = detection_from_options(arguments, DEFAULT_DETECTION)
    what = (arguments.weights, arguments.keypoints, arguments.descriptor, detection, arguments.resize)
    extractor = open_extractor(*what, arguments.precision)
    for note in extractor.notes:
        console.line("use", note)
    if arguments.colmap and not extractor.describes:
        what_detects = f"--keypoints {arguments.keypoints}" if arguments.keypoints else f"--weights {arguments.weights}"
        raise ValueError(f"{what_detects}: a detector alone gives nothing to match; --colmap needs both")
    frames = FrameFolder(arguments.write_frames) if arguments.write_frames else None
    for source in sources:
        if frames is not None and source.is_video:
            frames.check(source.name)
    cluster = command_line.open_cluster(arguments.ray, console)
    precision = extractor.identity.get("precision", FLOAT32)  # what `auto` is here, it is on every worker
    on = None if cluster is None else ExtractionCluster(cluster, partial(open_extractor, *what, precision))
    extraction = (arguments.every, arguments.strict, arguments.overwrite, frames, reading, on)
    try:
        found = extract_batch(sources, extractor, arguments.output, console, *extraction)
    except Finished:  # a signal with the last picture
        if arguments.colmap:
            raise
        return
    if arguments.colmap:
        settings = (arguments.colmap_overlap, arguments.colmap_single_camera)
        export_database(arguments.colmap, arguments.output, found.names, sources, console, *settings)
