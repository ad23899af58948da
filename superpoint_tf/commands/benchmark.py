"""Measure throughput and peak memory against what the machine allows: python tools/benchmark.py all --quick"""

from __future__ import annotations

import argparse
import sys

from superpoint_tf import command_line
from superpoint_tf.networks.pretrained import check_weights
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined

BENCHMARKS = ("synthetic", "pipeline", "network", "loss", "adaptation", "extract")  # `all`
GPU = "gpu"  # what a GPU is bought for, in four minutes; with the others it would be measured twice
LABELS = "labels"  # writes a million files
QUICK_REPEATS, REPEATS = 2, 5


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Measure throughput and peak memory, each against a limit measured in the same run: the float32 "
        "matrix-multiply peak for convolutions, a memory copy for pixels. Run it on an idle machine.",
        [
            "all --quick",
            "network --repeats 3 --output network.json",
            "gpu --output gpu.json",
            "pipeline --images photographs/ --batch-size 8",
        ],
    )
    parser.add_argument(
        "benchmark",
        nargs="?",
        choices=(*BENCHMARKS, GPU, LABELS, "all"),
        default="all",
        help="what is measured; gpu: training, labelling and input in each precision, in four minutes; labels: "
        "planning the labelling of a million photographs, which are made up (default: all, but for these two)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and smaller cases: a minute, to see that it works")
    parser.add_argument(
        "--repeats",
        type=command_line.positive_int,
        metavar="N",
        help=f"of each figure (default: {REPEATS}, quick: {QUICK_REPEATS})",
    )
    parser.add_argument(
        "--batch-size", type=command_line.positive_int, metavar="N", help="of pictures (default: by their size)"
    )
    parser.add_argument(
        "--images",
        type=command_line.place,
        default="bundled",
        metavar="DIR",
        help="photographs (default: scikit-image's)",
    )
    parser.add_argument(
        "--weights",
        type=command_line.place,
        metavar="WHAT",
        help="for `extract` and labels of `adaptation` (default: none)",
    )
    parser.add_argument(
        "--output",
        type=command_line.output_file(".json"),
        default="benchmark.json",
        metavar="FILE",
        help="file with every repeat (default: %(default)s)",
    )
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    config = command_line.load_config_argument(arguments.config, arguments.overrides)
    from superpoint_tf.data.photographs.photograph_sets import find_photographs

    find_photographs(config.photographs, arguments.images)  # now, not after the first benchmarks
    if arguments.weights:
        check_weights(arguments.weights)
    command_line.set_up_tensorflow()
    from superpoint_tf.benchmarks.benchmark import run_benchmarks
    from superpoint_tf.benchmarks.settings import Settings
    from superpoint_tf.networks.weights import load_weights
    from superpoint_tf.runtime.progress import Console

    if arguments.weights:
        load_weights(arguments.weights)
    repeats = arguments.repeats or (QUICK_REPEATS if arguments.quick else REPEATS)
    settings = Settings(
        config, repeats, arguments.quick, arguments.images, arguments.batch_size, arguments.weights or ""
    )
    names = BENCHMARKS if arguments.benchmark == "all" else (arguments.benchmark,)
    command = f"{how_to_run('benchmark')} {joined(sys.argv[1:])}"
    run_benchmarks(names, settings, arguments.output, command, Console())
