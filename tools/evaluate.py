"""Measure methods side by side: python tools/evaluate.py hpatches --data DIR --methods classical controls"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import add_network_options
from superpoint_tf.config import Config

if TYPE_CHECKING:
    from superpoint_tf.evaluation.evaluate import Measured, Request

DEFAULT_NUM_PAIRS, DEFAULT_NUM_SHIFTED = 200, 60
OF_PAIRS = ("hpatches", "random-homography")
PROTOCOLS = (*OF_PAIRS, "synthetic", "shifts")
METHODS_HELP = """\
classical, controls, one of either by name (Harris, "grid (control)"), or WHAT or 'ROW NAME=WHAT', where WHAT is weights
(file, run folder, checkpoint, or the name of some that come with the package), config.yaml (that network untrained),
module:function or file.py:function (from a grey image to keypoints, scores, descriptors), or features.h5 (default:
classical controls)"""


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser("Measure methods side by side: same images, budget and suppression.")
    parser.add_argument(
        "protocol",
        choices=PROTOCOLS,
        help="pairs of images, synthetic shapes, or photographs moved by 1 to 8 px and by halves, nothing else",
    )
    parser.add_argument(
        "--data",
        type=command_line.place,
        help="folder in HPatches layout, or of photographs (`bundled`: scikit-image's)",
    )
    parser.add_argument("--methods", nargs="+", default=["classical", "controls"], help=METHODS_HELP)
    parser.add_argument(
        "--presets",
        nargs="+",
        choices=("240x320", "480x640", "config"),
        help="240x320: 300 keypoints, NMS 4 px; 480x640: 1000, NMS 8 px; config: its evaluation section (default: two)",
    )
    parser.add_argument(
        "--num",
        type=command_line.positive_int,
        help="pairs of random-homography (default: 200); pictures a primitive of synthetic (default: the config's); "
        "photographs of shifts (default: 60, or all there are)",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        action="append",
        default=[],
        metavar=("A", "B"),
        help="two rows' names: print what B gains over A, pair by pair, with the standard error; may be repeated",
    )
    parser.add_argument(
        "--transposed",
        action="store_true",
        help="evaluate each pair also with x and y exchanged, and print what each method loses by it",
    )
    add_network_options(parser)
    parser.add_argument(
        "--output", type=command_line.output_folder, help="results folder (default: outputs/evaluation/PROTOCOL)"
    )
    parser.add_argument(
        "--write-images",
        type=command_line.output_folder,
        metavar="DIR",
        help="also write the frames as PNG, for other programs",
    )
    parser.add_argument("--overwrite", action="store_true", help="compute the features of these methods again")
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    arguments = parser.parse_args()
    if arguments.protocol != "synthetic" and not arguments.data:
        parser.error(f"{arguments.protocol} needs --data DIR")
    if arguments.protocol not in OF_PAIRS and (arguments.compare or arguments.transposed):
        parser.error(f"{arguments.protocol} has no pairs of views to compare: --compare and --transposed do not apply")
    if arguments.protocol == "shifts" and arguments.presets:
        parser.error("shifts are measured at 240x320: --presets does not apply")
    if arguments.protocol == "synthetic" and (arguments.data or arguments.presets):
        parser.error("synthetic draws its own pictures at their own size: --data and --presets do not apply")
    if arguments.protocol == "hpatches" and arguments.num:
        parser.error("hpatches takes all pairs of the folder: --num does not apply")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    config = command_line.load_config_argument(arguments.config, arguments.overrides)
    command_line.set_up_tensorflow()
    from superpoint_tf.evaluation import evaluate as run
    from superpoint_tf.evaluation.comparison import check_comparisons
    from superpoint_tf.evaluation.methods import methods
    from superpoint_tf.evaluation.protocols.shape_run import sampling as of_shapes
    from superpoint_tf.evaluation.report.console_table import console_text
    from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS
    from superpoint_tf.runtime.progress import Console

    shapes = arguments.protocol == "synthetic"
    in_set = PAIR_SETS.get(arguments.protocol)
    sampling = of_shapes if shapes else in_set.sampling if in_set else lambda config: {}
    default = methods.FOR_SHAPES if shapes else methods.FOR_PAIRS
    looks = {"scales": arguments.scales, "phases": arguments.phases}
    detection = replace(default, subpixel=arguments.subpixel, **looks)
    output = arguments.output or f"outputs/evaluation/{arguments.protocol}"
    command = "python tools/evaluate.py " + shlex.join(sys.argv[1:])
    loaded = methods.load_methods(arguments.methods, detection)
    request = run.Request(
        config,
        loaded,
        output,
        run.describe_run(arguments.data or "drawn", config, command, sampling(config)),
        Console(),
        arguments.write_images,
        arguments.overwrite,
        check_comparisons(arguments.compare, [method.name for method in loaded]),
    )
    if shapes:
        measured = evaluate_shapes(request, arguments.num)
    elif arguments.protocol == "shifts":
        measured = evaluate_shifts(request, arguments.data, arguments.num or DEFAULT_NUM_SHIFTED)
    else:
        measured = evaluate_pairs(request, arguments, config)
    print(f"\n{console_text(run.publish(request, measured).console)}")


def evaluate_shapes(request: Request, num: int | None) -> Measured:
    from superpoint_tf.evaluation.protocols.shape_run import measure_synthetic

    return measure_synthetic(request, num or request.config.synthetic.num_test)


def evaluate_shifts(request: Request, data: str, num: int) -> Measured:
    from superpoint_tf.evaluation.protocols.shift_run import measure_shifts
    from superpoint_tf.evaluation.sets.photographs import photograph_paths

    return measure_shifts(request, photograph_paths(data), num)


def evaluate_pairs(request: Request, arguments: argparse.Namespace, config: Config) -> Measured:
    from superpoint_tf.evaluation.measures import PRESETS
    from superpoint_tf.evaluation.protocols.pair_run import measure_pairs, resolve_settings
    from superpoint_tf.evaluation.sets.exchange import make_in_both_ways
    from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS

    settings = resolve_settings(arguments.presets or tuple(PRESETS), config)
    num = arguments.num or DEFAULT_NUM_PAIRS
    make_pairs, count = PAIR_SETS[arguments.protocol].open(arguments.data, config, num, request.left_out)
    if arguments.transposed:
        make_pairs, count = make_in_both_ways(make_pairs), 2 * count
    return measure_pairs(request, arguments.protocol, make_pairs, count, settings)


if __name__ == "__main__":
    command_line.run_tool(main)
