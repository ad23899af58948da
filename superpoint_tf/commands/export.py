"""Export a network for other runtimes: python tools/export.py --weights superpoint-small --format onnx"""

from __future__ import annotations

import argparse
from dataclasses import replace

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import add_detection_options, detection_from_options, given_options
from superpoint_tf.config import DetectionConfig, PhotographsSection
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.export.formats import FORMATS, PRECISIONS
from superpoint_tf.export.request import Request, check_output, parse_image_shape, resolve_form, table_requests
from superpoint_tf.networks.pretrained import check_weights


def parse_arguments() -> argparse.Namespace:
    *titles, last = (each.title for each in FORMATS.values())
    shaped = {name: each.default_shape for name, each in FORMATS.items() if each.default_shape}
    own_shapes = ["; {}: {} {}".format(name, *shape) for name, shape in shaped.items()]
    parser = command_line.Parser(
        f"Export a network as {', '.join(titles)} or {last}. Before the file gets its name it is loaded by its "
        "own runtime and compared with TensorFlow on photographs.",
        [
            "--format onnx",
            "--weights outputs/small --format tflite --image-shape 480 640 --with-postprocessing --max-keypoints 500",
            "--format tflite --precision int8 --images photographs/ --output small-int8.tflite",
            "--table",
        ],
    )
    parser.add_argument(
        "--weights",
        type=command_line.place,
        default="superpoint-small",
        metavar="WHAT",
        help="a name that comes with the package, a file, a run folder or a checkpoint (default: %(default)s)",
    )
    parser.add_argument("--format", choices=FORMATS, help="what is written")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="float16: weights stored in half precision, computed in float32; int8: convolutions quantised to the "
        "ranges that photographs give (default: float32)",
    )
    parser.add_argument(
        "--image-shape",
        nargs="+",
        metavar=("H|dynamic", "W"),
        help=f"height and width in pixels, or `dynamic` for any (default: dynamic{''.join(own_shapes)})",
    )
    parser.add_argument("--with-postprocessing", action="store_true", help="give keypoints instead of maps, by:")
    add_detection_options(parser, DetectionConfig())
    parser.add_argument(
        "--images",
        type=command_line.place,
        default="bundled",
        metavar="DIR",
        help="photographs to compare on (default: scikit-image's)",
    )
    command_line.add_stretch_argument(parser, NO_STRETCH)
    parser.add_argument(
        "--output",
        type=command_line.place_on_disk,
        metavar="FILE",
        help="file, for savedmodel a folder (default: by weights, shape, precision)",
    )
    parser.add_argument("--table", action="store_true", help="measure all formats and precisions, and keep no file")
    arguments = parser.parse_args()
    _check_together(parser, arguments)
    return arguments


def _check_together(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with an error for options that do nothing beside others."""
    one_file = {"--format": arguments.format, "--precision": arguments.precision, "--output": arguments.output}
    idle = [option for option, value in one_file.items() if value is not None]
    if arguments.table and idle:
        parser.error(f"--table measures all formats and precisions and keeps no file: {', '.join(idle)} do not apply")
    if not arguments.table and not arguments.format:
        parser.error(f"name a --format ({', '.join(FORMATS)}), or --table for all of them")
    if not arguments.with_postprocessing and (idle := given_options(arguments)):
        parser.error(f"{', '.join(idle)}: only with --with-postprocessing; without it the file gives maps")


def main() -> None:
    arguments = parse_arguments()
    from superpoint_tf.data.photographs.photograph_sets import find_photographs

    shape = parse_image_shape(arguments.image_shape)
    detection = detection_from_options(arguments, DetectionConfig()) if arguments.with_postprocessing else None
    requests = table_requests(shape, detection)
    if not arguments.table:
        form = resolve_form(arguments.format, shape, detection)
        requests = [Request(arguments.format, arguments.precision or "float32", form)]
    for request in requests:
        request.check()
    if arguments.output:
        check_output(arguments.format, arguments.output)
    check_weights(arguments.weights)
    find_photographs(PhotographsSection(), arguments.images)
    command_line.set_up_tensorflow()
    from superpoint_tf.export.calibration import open_photographs
    from superpoint_tf.export.exporter import Exporter
    from superpoint_tf.export.format_comparison import measure_table
    from superpoint_tf.export.patch_exporter import PatchExporter, sees_patches
    from superpoint_tf.runtime.progress import Console

    photographs = open_photographs(arguments.images, arguments.stretch)
    if sees_patches(arguments.weights):
        _check_patches(arguments)
        patch_exporter = PatchExporter(arguments.weights, photographs, Console())
        request = replace(requests[0], form=patch_exporter.form)
        patch_exporter.report(patch_exporter.export(request, arguments.output))
        return
    exporter = Exporter(arguments.weights, photographs, Console())
    if arguments.table:
        print(measure_table(exporter, requests))
    else:
        exporter.report(exporter.export(requests[0], arguments.output))


def _check_patches(arguments: argparse.Namespace) -> None:
    """Raise ValueError for options of networks for pictures."""
    of_pictures = {
        "--image-shape": arguments.image_shape,
        "--with-postprocessing": arguments.with_postprocessing,
        "--table": arguments.table,
    }
    if given := [option for option, value in of_pictures.items() if value]:
        raise ValueError(f"{', '.join(given)}: of networks for pictures; {arguments.weights} describes patches")
