"""Label photographs by homographic adaptation: python tools/homographic_adapt.py --iters 2"""

from __future__ import annotations

import argparse
import dataclasses

from superpoint_tf import command_line
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.networks.pretrained import check_weights
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Label photographs through many random homographies, in rounds.",
        [
            "--iters 2",
            "configs/small.yaml --iters 1 --detector superpoint-small --images photographs/ --output labels/mine",
            "--images photographs/ --shard 0/4 --set adaptation.num_homographies=50",
            "--images photographs/ --ray 10.0.0.1:6379",
        ],
    )
    parser.add_argument(
        "--iters", type=command_line.positive_int, default=2, metavar="N", help="rounds (default: %(default)s)"
    )
    parser.add_argument(
        "--images",
        type=command_line.place,
        metavar="DIR",
        help="photographs, `bundled`: scikit-image's (default: the config's, else data/coco)",
    )
    parser.add_argument(
        "--detector",
        type=command_line.place,
        metavar="WHAT",
        help="weights or run folder of the first detector (default: outputs/magicpoint, else what comes with the "
        "package for the config's network, else trained)",
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="train the first detector even if one comes with the package"
    )
    parser.add_argument(
        "--num-homographies",
        type=command_line.positive_int,
        metavar="N",
        help="that each photograph is seen under (default: the config's)",
    )
    parser.add_argument(
        "--output", type=command_line.label_folder, metavar="DIR", help="label folder (default: labels/<config name>)"
    )
    parser.add_argument("--strict", action="store_true", help="a photograph that cannot be read is an error")
    parser.add_argument("--overwrite", action="store_true", help="delete earlier labels in the folder")
    command_line.add_stretch_argument(parser)
    command_line.add_masks_argument(parser)
    command_line.add_shard_argument(parser)
    command_line.add_ray_argument(parser)
    command_line.add_strategy_argument(parser, choices=("auto", "mirrored"))  # machines share the labelling instead
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    arguments = parser.parse_args()
    command_line.check_ray_argument(parser, arguments)
    if arguments.detector and arguments.from_scratch:
        parser.error("--detector names the first detector, --from-scratch trains it: give one of them")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    command_line.check_cluster(arguments.ray)
    options = {
        "adaptation.num_homographies": arguments.num_homographies,
        "photographs.stretch": arguments.stretch,
        "photographs.masks": arguments.masks,
    }
    config = command_line.load_config_argument(arguments.config, arguments.overrides, options)
    shard = command_line.resolve_shard(arguments.shard)
    from superpoint_tf.data.photographs.masked_photographs import PhotographReading
    from superpoint_tf.data.photographs.photograph_sets import passed_over_beside, stream_photographs

    PhotographReading(masks=config.photographs.masks).check()
    photographs = stream_photographs(config.photographs, arguments.images)
    photographs = photographs.with_readable_validation(config.photographs.stretch)
    if arguments.detector:
        check_weights(arguments.detector)
    command_line.set_up_tensorflow()
    from superpoint_tf.adaptation.first_detector import find_first_detector
    from superpoint_tf.adaptation.rounds import AdaptationRun, adapt, check_output
    from superpoint_tf.runtime.progress import QUICKSTART, Console
    from superpoint_tf.training.replicas import build_local_replicas

    replicas = build_local_replicas(arguments.strategy)
    replicas.check(config.detector)  # now, not when the first round is labelled
    given = f" --images {joined([arguments.images])}" if arguments.images else ""
    quick_command = f"{how_to_run('homographic_adapt')} --iters {arguments.iters} --config {QUICKSTART}{given}"
    console, output = Console(quick_command=quick_command), arguments.output or f"labels/{config.name}"
    check_output(output, arguments.iters, shard, arguments.overwrite)  # before a detector is trained
    cluster = command_line.open_cluster(arguments.ray, console)
    console.line("data", photographs.note)
    for kind in passed_over_beside(photographs):
        console.line("left", f"passed over: {kind}")
    console.line("data", f"{len(photographs.train)} photographs to label, {len(photographs.validation)} held out")
    detector = find_first_detector(config, arguments.detector, shard, console, replicas, arguments.from_scratch)
    config = dataclasses.replace(config, photographs=dataclasses.replace(config.photographs, root=photographs.root))
    what = (config, photographs, str(detector), output, arguments.iters, shard)
    run = AdaptationRun(*what, strict=arguments.strict, replicas=replicas, cluster=cluster)
    adapt(run, console, arguments.overwrite)
    labels = "" if output == f"labels/{config.name}" else f" --labels {joined([output])}"
    stretch = f" --stretch={config.photographs.stretch}" if config.photographs.stretch != NO_STRETCH else ""
    console.line("next", f"{how_to_run('train_superpoint')} {arguments.config}{labels}{stretch}")
