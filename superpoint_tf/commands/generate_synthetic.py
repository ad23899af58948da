"""Draw the shapes that the first detector learns from: python tools/generate_synthetic.py"""

from __future__ import annotations

import argparse

from superpoint_tf import command_line
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined
from superpoint_tf.runtime.suggestions import did_you_mean
from superpoint_tf.synthetic import PRIMITIVES

DEFAULTS = "configs/magicpoint.yaml"


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Draw synthetic shapes with exact corner labels, as TFRecord files.",
        [
            "",
            "--config configs/from_scratch.yaml",
            "--num 1000 --output data/shapes --primitives star,cube --workers 2",
            "--num 10000000 --output /shared/shapes --ray 10.0.0.1:6379",
        ],
    )
    parser.add_argument(
        "--num", type=command_line.positive_int, metavar="N", help="training pictures (default: the config's)"
    )
    parser.add_argument(
        "--output", type=command_line.output_folder, metavar="DIR", help="folder to write (default: data/synthetic)"
    )
    parser.add_argument(
        "--seed", type=command_line.non_negative_int, metavar="N", help="seed of every picture (default: the config's)"
    )
    parser.add_argument(
        "--workers",
        type=number_of_workers,
        metavar="N",
        help="drawing processes; -1: one a core, 0: none beside this one (default: the config's)",
    )
    parser.add_argument(
        "--primitives",
        type=names_of_primitives,
        metavar="NAME,NAME",
        help=f"of {', '.join(PRIMITIVES)} (default: the config's, all nine)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace sets that were made with other settings")
    command_line.add_shard_argument(parser)
    command_line.add_ray_argument(parser)
    command_line.add_config_arguments(parser, default=DEFAULTS)
    arguments = parser.parse_args()
    command_line.check_ray_argument(parser, arguments)
    if arguments.ray is not None and arguments.workers is not None:
        parser.error("--workers are processes of this machine, --ray takes those of the cluster: give one of them")
    return arguments


def number_of_workers(text: str) -> int:
    """Parse -1 or a whole number from zero up; raises argparse.ArgumentTypeError."""
    try:
        return -1 if text == "-1" else command_line.non_negative_int(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or -1") from None


def names_of_primitives(text: str) -> list[str]:
    """Parse names of primitives between commas; raises argparse.ArgumentTypeError."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in PRIMITIVES]
    if unknown:
        meant = did_you_mean(unknown[0], PRIMITIVES)
        raise argparse.ArgumentTypeError(f"{unknown[0][:60]!r} is not one of {', '.join(PRIMITIVES)}{meant}")
    return names


def main() -> None:
    arguments = parse_arguments()
    command_line.check_cluster(arguments.ray)
    options = {
        "synthetic.num_train": arguments.num,
        "synthetic.root": arguments.output,
        "synthetic.draw.primitives": arguments.primitives,
        "seed": arguments.seed,
        "workers": arguments.workers,
    }
    config = command_line.load_config_argument(arguments.config, arguments.overrides, options)
    shard = command_line.resolve_shard(arguments.shard)
    from superpoint_tf.data.shapes.generation import generate_synthetic_sets
    from superpoint_tf.runtime.interruption import StopRequest
    from superpoint_tf.runtime.progress import Console

    console = Console()
    with StopRequest() as stop:
        cluster = command_line.open_cluster(arguments.ray, console)
        generate_synthetic_sets(config, shard, arguments.overwrite, console, stop, cluster)
    if shard[0] > 0:
        return  # shard 0 goes on
    given = "" if arguments.config == DEFAULTS else f" --config {arguments.config}"
    given += "" if arguments.output is None else f" --set synthetic.root={joined([arguments.output])}"
    console.line("next", f"{how_to_run('homographic_adapt')} --iters 2{given}")
