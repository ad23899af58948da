"""Fine-tune on photographs of one's own, and hear whether it helped: python tools/finetune.py FOLDER"""

from __future__ import annotations

import argparse
from pathlib import Path

from superpoint_tf import command_line
from superpoint_tf.networks.pretrained import check_weights
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined

EXAMPLES = ["bundled", "holiday/ --weights superpoint --output outputs/holiday"]


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Label photographs, train on them, compare with before and with RootSIFT on held-out ones, and say whether it "
        "helped. Started again, it goes on where it stopped.",
        EXAMPLES,
    )
    parser.add_argument(
        "images", type=command_line.place, metavar="FOLDER", help="photographs, or `bundled`: scikit-image's"
    )
    parser.add_argument(
        "--weights",
        type=command_line.place,
        metavar="WHAT",
        help="weights of superpoint to begin with: a name, a file or a run folder (default: the config's joint.init)",
    )
    parser.add_argument(
        "--output",
        type=command_line.output_folder,
        metavar="DIR",
        help="folder for everything (default: outputs/finetune-FOLDER)",
    )
    command_line.add_stretch_argument(parser)
    command_line.add_masks_argument(parser)
    parser.add_argument("--strict", action="store_true", help="a photograph that cannot be read is an error")
    parser.add_argument(
        "--overwrite", action="store_true", help="delete earlier labels and an earlier run in the folder"
    )
    command_line.add_strategy_argument(parser, choices=("auto", "mirrored"))
    command_line.add_config_arguments(parser, default="configs/quickstart.yaml")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    options = {"photographs.stretch": arguments.stretch, "photographs.masks": arguments.masks}
    config = command_line.load_config_argument(arguments.config, arguments.overrides, options)
    from superpoint_tf.data.photographs.masked_photographs import PhotographReading
    from superpoint_tf.finetuning.split import split_photographs

    PhotographReading(masks=config.photographs.masks).check()
    split = split_photographs(config.photographs, arguments.images)
    weights = arguments.weights or config.joint.init
    for each in (weights, config.joint.teacher):
        if each:
            check_weights(each)
    command_line.set_up_tensorflow()
    from superpoint_tf.finetuning.finetune import FinetuneFolder, finetune, prepare_config
    from superpoint_tf.runtime.progress import Console
    from superpoint_tf.training.replicas import build_local_replicas

    replicas, console = build_local_replicas(arguments.strategy), Console()
    folder = FinetuneFolder(Path(arguments.output or f"outputs/finetune-{Path(arguments.images).resolve().name}"))
    config = prepare_config(config, split, weights, folder)
    replicas.check(config.joint)
    judgement = finetune(config, split, folder, console, replicas, arguments.strict, arguments.overwrite)
    print(f"\n{judgement.text()}\n")
    for sentence in judgement.verdict():
        console.line("found", sentence)
    kept = "those after the training" if judgement.keeps_after else f"those before, {weights}"
    console.line("keep", f"{kept}: {folder.weights}")
    console.line("look", f"{folder.figure}, {folder.labels}/figures, {folder.run}/figures")
    console.line("next", f"{how_to_run('show')} YOUR_PICTURE --weights {joined([str(folder.weights)])}")
