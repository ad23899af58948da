"""Train what a config names: python tools/train.py configs/zoo/hardnet.yaml"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from superpoint_tf import command_line
from superpoint_tf.cluster.ray_gang import RaySite
from superpoint_tf.config import DOG, Config, ConfigError
from superpoint_tf.config.cluster import check_replicas
from superpoint_tf.data.labels.label_folders import find_labels
from superpoint_tf.data.labels.labels import ADAPTED
from superpoint_tf.networks.pretrained import check_weights
from superpoint_tf.runtime.interruption import Finished
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.progress import FROM_SCRATCH, QUICKSTART, Console
from superpoint_tf.systems import SYSTEMS
from superpoint_tf.training.on_cluster import train_on_cluster


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Train the detector alone, the joint model, or any other system of docs/zoo.md.",
        [
            "configs/quickstart.yaml",
            "configs/coco.yaml --labels labels/mine --output outputs/mine --set joint.steps=20000 joint.batch_size=4",
            "configs/zoo/hardnet.yaml",
            "configs/coco.yaml --set joint.batch_size=64 --ray 10.0.0.1:6379 --workers 8",
            "--list-settings joint",
        ],
    )
    command_line.add_config_arguments(parser, default=None)
    parser.add_argument(
        "--output", type=command_line.output_folder, metavar="DIR", help="run folder (default: outputs/<config name>)"
    )
    parser.add_argument(
        "--labels",
        type=command_line.place,
        metavar="DIR",
        help="label folder (default: labels/<config name>, else labels/coco)",
    )
    command_line.add_stretch_argument(parser)
    command_line.add_masks_argument(parser)
    parser.add_argument("--overwrite", action="store_true", help="delete an earlier run in the folder")
    command_line.add_strategy_argument(parser)
    command_line.add_ray_argument(parser)
    parser.add_argument(
        "--workers",
        type=command_line.positive_int,
        metavar="N",
        help="with --ray: processes that share each batch, of a GPU each where the cluster has any, else of cores",
    )
    arguments = parser.parse_args()
    if (arguments.ray is None) != (arguments.workers is None):
        parser.error("--ray and --workers N go together: the cluster, and how many of its workers share each batch")
    if arguments.ray is not None and arguments.strategy == "mirrored":
        parser.error("--strategy mirrored is one machine alone: leave it out, or --ray")
    return arguments


def check_inputs(config: Config) -> None:
    """Raise ConfigError without labels, FileNotFoundError without first weights, where the training wants them."""
    patches, init = config.patches, config.training.init
    of_labels = config.train == "joint" or (config.train == "patches" and not patches.data and patches.labels != DOG)
    if of_labels:
        find_labels(config, config.joint.labels if config.train == "joint" else patches.labels)
    if init and init != ADAPTED:
        check_weights(init)
    if config.train == "joint" and config.joint.teacher:
        check_weights(config.joint.teacher)


def main() -> None:
    arguments = parse_arguments()
    options = {
        "joint.labels": arguments.labels,
        "patches.labels": arguments.labels,
        "photographs.stretch": arguments.stretch,
        "photographs.masks": arguments.masks,
    }
    config = command_line.load_config_argument(arguments.config, arguments.overrides, options)
    if arguments.labels and config.train == "detector":
        raise ConfigError(f"--labels: {arguments.config} trains a detector on synthetic shapes, which needs none")
    if arguments.labels and config.train not in ("joint", "patches"):
        raise ConfigError(f"--labels: {arguments.config} has `train: {config.train}`, which needs none")
    if (arguments.stretch or arguments.masks) and config.train in ("detector", "digits"):
        raise ConfigError(f"--stretch, --masks: {arguments.config} has `train: {config.train}`, without photographs")
    check_inputs(config)
    output = arguments.output or f"outputs/{config.name}"
    if arguments.ray is not None:
        sys.exit(train_on_ray(config, output, arguments))
    command_line.set_up_tensorflow()
    from superpoint_tf.training.replicas import build_replicas

    replicas = build_replicas(arguments.strategy)  # before anything runs in TensorFlow
    from superpoint_tf.training.build import build_task
    from superpoint_tf.training.convex.convex_run import train_convex_run
    from superpoint_tf.training.run_folder import RunFolder
    from superpoint_tf.training.trainer import train

    quick_command = f"{how_to_run('train_superpoint')} {QUICKSTART}"
    if config.train not in ("detector", "joint"):
        quick_command = f"{how_to_run('train')} {arguments.config} --set {config.train}.steps=200 --output ANOTHER"
    if config.train == "detector":
        detector = "--set train=detector --output outputs/from_scratch-magicpoint"
        quick_command = f"{how_to_run('train_superpoint')} {FROM_SCRATCH} {detector}"
    given: dict[str, Any] = {"quick_command": quick_command, "overwrite": arguments.overwrite}
    if SYSTEMS[config.network.system].solved:
        if replicas.workers > 1:
            raise ConfigError(f"{config.network.system} is solved for by one process: unset TF_CONFIG")
        weights = train_convex_run(build_task(config), output, **given)
    else:
        try:
            weights = train(build_task(config), output, replicas=replicas, **given)
        except Finished:  # a signal in the last step: nothing is left to stop
            weights = RunFolder(output).weights
    if replicas.is_chief:
        trained = config.classes.stage if config.train == "classes" else config.train
        trained = f"lift {config.lift.trainable}" if config.train == "lift" else trained
        print(f" next | {next_command(trained, arguments.config, str(weights))}")


def train_on_ray(config: Config, output: str, arguments: argparse.Namespace) -> int:
    """Let workers of a Ray cluster run this command; return their exit code."""
    if SYSTEMS[config.network.system].solved:
        raise ConfigError(f"{config.network.system} is solved for by one process: leave out --ray")
    check_replicas(config.training, arguments.workers)
    console = Console()
    cluster = command_line.open_cluster(arguments.ray, console)
    assert cluster is not None
    site = RaySite(cluster, arguments.workers)
    return train_on_cluster(site, sys.argv[1:], output, console)


_NEXT_OF_LIFT = {"lift descriptor": "orientation", "lift orientation": "detector"}


def next_command(trained: str, config: str, weights: str) -> str:
    """Return what a user does with these weights."""
    if trained == "patches":
        return f"{how_to_run('train')} {config} --set patches.init={weights} --output ANOTHER  # or look at its figures"
    if trained in _NEXT_OF_LIFT:
        stage = f"lift.trainable={_NEXT_OF_LIFT[trained]} lift.init={weights}"
        return f"{how_to_run('train')} {config} --set {stage} --output ANOTHER"
    if trained == "body":
        stage = f"--set classes.stage=attention classes.trainable= classes.init={weights}"
        return f"{how_to_run('train')} {config} {stage} --output ANOTHER"
    if trained == "stereo":
        return f"{how_to_run('match')} LEFT RIGHT --weights {weights} --disparity disparity.png"
    if trained == "digits":
        another = "network.system=digits-cnn --output ANOTHER"
        return f"{how_to_run('train')} {config} --set {another}  # or look at its figures"
    if trained == "detector":
        given = "" if Path(config).name == "magicpoint.yaml" else f" --config {config}"
        return f"{how_to_run('homographic_adapt')} --iters 2 --detector {weights}{given}"
    return f"python -c \"from superpoint_tf import SuperPoint; model = SuperPoint.from_pretrained('{weights}')\""
