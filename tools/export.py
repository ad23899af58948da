"""Export a network for other runtimes: python tools/export.py --weights superpoint-small --format onnx"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf import command_line
from superpoint_tf.config import DetectionConfig
from superpoint_tf.export.request import (
    FORMATS,
    PRECISIONS,
    TFLITE_SHAPE,
    Request,
    checked_detection,
    parse_image_shape,
    resolve_form,
    table_requests,
)


def parse_arguments() -> argparse.Namespace:
    default = DetectionConfig()
    parser = argparse.ArgumentParser(
        description="Export a network as SavedModel, TFLite or ONNX. Before the file gets its name it is loaded by its "
        "own runtime and compared with TensorFlow on photographs."
    )
    parser.add_argument(
        "--weights",
        default="superpoint-small",
        help="a name that comes with the package, a file, a run folder or a checkpoint (default: %(default)s)",
    )
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="float16: weights stored in half precision, computed in float32; int8: convolutions quantised to the "
        "ranges that photographs give (default: %(default)s)",
    )
    parser.add_argument(
        "--image-shape",
        nargs="+",
        metavar=("H|dynamic", "W"),
        help="height and width in pixels, or `dynamic` for any (default: dynamic; tflite: {} {})".format(*TFLITE_SHAPE),
    )
    parser.add_argument("--with-postprocessing", action="store_true", help="give keypoints instead of maps, by:")
    parser.add_argument("--max-keypoints", type=int, default=default.max_keypoints, help="(default: %(default)s)")
    parser.add_argument("--detection-threshold", type=float, default=default.threshold, help="(default: %(default)s)")
    parser.add_argument("--nms-radius-px", type=int, default=default.nms_radius_px, help="(default: %(default)s)")
    parser.add_argument("--border-px", type=int, default=default.border_px, help="(default: %(default)s)")
    parser.add_argument(
        "--images", default="bundled", metavar="DIR", help="photographs to compare on (default: scikit-image's)"
    )
    parser.add_argument("--output", help="file, for savedmodel a folder (default: by the weights' name)")
    parser.add_argument("--table", action="store_true", help="measure all formats and precisions, and keep no file")
    arguments = parser.parse_args()
    if not arguments.table and not arguments.format:
        parser.error(f"name a --format ({', '.join(FORMATS)}), or --table for all of them")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    shape = parse_image_shape(arguments.image_shape)
    detection = None
    if arguments.with_postprocessing:
        names = ("detection_threshold", "nms_radius_px", "border_px", "max_keypoints")
        detection = checked_detection(**{name: getattr(arguments, name) for name in names})
    requests = table_requests(shape, detection)
    if not arguments.table:
        requests = [Request(arguments.format, arguments.precision, resolve_form(arguments.format, shape, detection))]
    for request in requests:
        request.check()
    command_line.set_up_tensorflow()
    from superpoint_tf.export.photographs import open_photographs
    from superpoint_tf.export.run import Exporter
    from superpoint_tf.export.table import measure_table
    from superpoint_tf.progress import Console

    exporter = Exporter(arguments.weights, open_photographs(arguments.images), Console())
    if arguments.table:
        print(measure_table(exporter, requests))
    else:
        exporter.report(exporter.export(requests[0], arguments.output))


if __name__ == "__main__":
    command_line.run_tool(main)
