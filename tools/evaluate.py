"""Measure methods on image pairs: python tools/evaluate.py hpatches --data DIR --methods classical controls"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf import command_line


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure methods side by side: same pairs, budget and suppression.")
    parser.add_argument("protocol", choices=("hpatches", "random-homography"))
    parser.add_argument("--data", required=True, help="folder in HPatches layout, or a folder of photographs")
    parser.add_argument(
        "--methods",
        nargs="+",
        default=["classical", "controls"],
        help="classical, controls, one of them by name, or weights: PATH or 'ROW NAME=PATH' (default: %(default)s)",
    )
    parser.add_argument("--num-pairs", type=command_line.positive_int, default=200, help="of random-homography")
    parser.add_argument("--output", help="also write the table's rows to this JSON file")
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    config = command_line.load_config_argument(arguments.config, arguments.overrides)
    command_line.set_up_tensorflow()
    from superpoint_tf import storage
    from superpoint_tf.evaluation.methods import load_methods
    from superpoint_tf.evaluation.pair_sets import open_pairs
    from superpoint_tf.evaluation.protocols import evaluate_at_both_settings
    from superpoint_tf.evaluation.table import format_table
    from superpoint_tf.progress import Progress

    methods = load_methods(arguments.methods)
    make_pairs, count = open_pairs(arguments.protocol, arguments.data, config, arguments.num_pairs)
    with Progress(2 * count, "eval", "pairs") as progress:
        rows = evaluate_at_both_settings(make_pairs, methods, progress.update)
    print(format_table(rows))
    print("repeat.: 240x320, 300 keypoints, NMS 4 px")
    print("the rest, the localization error included: 480x640, 1000 keypoints, NMS 8 px; right within 3 px")
    if arguments.output:
        storage.write_json(arguments.output, rows)


if __name__ == "__main__":
    command_line.run_tool(main)
