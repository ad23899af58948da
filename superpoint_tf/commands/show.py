"""Show keypoints over pictures, videos and a camera: python tools/show.py picture.jpg --output keypoints.png"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import detection_from_options
from superpoint_tf.data.photographs.video_writer import WRITTEN_SUFFIXES
from superpoint_tf.using.extraction_options import DEFAULT_DETECTION, add_extraction_arguments, check_weights_arguments

if TYPE_CHECKING:
    from superpoint_tf.using.picture_sources import Source


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Show keypoints and heatmap over pictures and videos: in a window, or with --output or without a "
        "display, in files.",
        [
            "picture.jpg --output keypoints.png",
            "photographs/ clip.mp4 --output outputs/show --every 5",
            "bundled --max-keypoints 500 --resize 640",
            "0 --tracks --resize 640 --precision auto",
        ],
    )
    parser.add_argument(
        "images",
        type=command_line.place,
        nargs="+",
        metavar="IMAGES",
        help="pictures, folders, patterns, videos, `bundled`, the number of a camera",
    )
    parser.add_argument(
        "--output",
        type=command_line.place_on_disk,
        metavar="PATH",
        help="save: a .png for a picture, an .mp4 or .webm for a video, a folder for several",
    )
    parser.add_argument(
        "--every", type=command_line.positive_int, default=1, metavar="N", help="take each N-th frame of videos"
    )
    parser.add_argument(
        "--tracks", action="store_true", help="of videos: where keypoints have been in the frames before, no heatmap"
    )
    add_extraction_arguments(parser)
    arguments = parser.parse_args()
    command_line.check_outputs(parser, {"--output": arguments.output}, inputs=arguments.images)
    return arguments


def check_output(sources: Sequence[Source], output: str) -> None:
    """Raise ValueError for the name of one picture or video where others are to be saved, or an impossible name."""
    suffix, first = Path(output).suffix.lower(), sources[0]
    kind = {".png": "a picture", **dict.fromkeys(WRITTEN_SUFFIXES, "a video")}.get(suffix)
    one_file = kind is not None and not Path(output).is_dir()
    if kind is None and command_line.names_file(output):
        raise ValueError(f"--output {output}: name a .png for a picture, an .mp4 or .webm for a video, or a folder")
    if one_file and (len(sources) > 1 or first.is_video != (suffix in WRITTEN_SUFFIXES)):
        found = f"{len(sources)} files are" if len(sources) > 1 else f"{first.path} is"
        raise ValueError(f"--output {output} names {kind}, but {found} to be saved; name a folder")
    try:
        (command_line.output_file(suffix) if one_file else command_line.output_folder)(output)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--output {error}") from error


def main() -> None:
    arguments = parse_arguments()
    from superpoint_tf.using.picture_sources import find_sources, list_passed_over, split_cameras

    cameras, files = split_cameras(arguments.images)
    sources = [*(find_sources(files) if files else []), *cameras]
    if arguments.tracks and not any(source.is_video for source in sources):
        raise ValueError("--tracks: follows keypoints from frame to frame; name a video or the number of a camera")
    if cameras and arguments.output:
        raise ValueError(f"{cameras[0].name}: is shown in a window, and --output is for files")
    if arguments.output:
        check_output(sources, arguments.output)
    check_weights_arguments(arguments)
    command_line.set_up_tensorflow()
    from superpoint_tf.runtime.progress import Console
    from superpoint_tf.using.extractor import Extractor
    from superpoint_tf.using.show import DEFAULT_FOLDER, show_all
    from superpoint_tf.using.window import Window, has_display

    console = Console()
    for kind in list_passed_over(files):
        console.line("left", f"passed over: {kind}")
    live = not arguments.output and has_display()
    if not live and cameras:
        raise ValueError(f"{cameras[0].name}: is shown in a window, and there is no display")
    if not live and not arguments.output:
        console.line("show", f"no display for a window: saving in {DEFAULT_FOLDER} (--output names another place)")
    detection = detection_from_options(arguments, DEFAULT_DETECTION)
    extractor = Extractor(arguments.weights, detection, arguments.resize, arguments.precision)
    if arguments.tracks and not extractor.describes:
        raise ValueError(f"--tracks: {arguments.weights} is a detector alone and has no descriptors to follow")
    for note in extractor.notes:
        console.line("use", note)
    window = Window() if live else None
    what = (arguments.output, arguments.every, arguments.stretch, arguments.tracks)
    signal_number = show_all(sources, extractor, console, window, *what)
    if signal_number is not None:
        sys.exit(128 + signal_number)
