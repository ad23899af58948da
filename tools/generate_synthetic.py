"""Draw the shapes that the first detector learns from: python tools/generate_synthetic.py"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf import command_line

DEFAULTS = "configs/magicpoint.yaml"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw synthetic shapes with exact corner labels, as TFRecord files.")
    parser.add_argument("--num", type=command_line.positive_int, help="training pictures (default: the config's)")
    parser.add_argument("--output", help="folder to write (default: data/synthetic)")
    parser.add_argument("--seed", type=int, help="seed of every picture (default: the config's)")
    parser.add_argument("--workers", type=int, help="drawing processes; -1: one a core, 0: none beside this one")
    parser.add_argument("--primitives", help="comma-separated, for example star,cube (default: all nine)")
    parser.add_argument("--overwrite", action="store_true", help="replace sets that were made with other settings")
    command_line.add_shard_argument(parser)
    command_line.add_config_arguments(parser, default=DEFAULTS)
    return parser.parse_args()


def setting_overrides(arguments: argparse.Namespace) -> list[str]:
    """Return the arguments that are settings, as --set writes them."""
    primitives = None if arguments.primitives is None else f"[{arguments.primitives}]"
    settings = {
        "synthetic.num_train": arguments.num,
        "synthetic.root": None if arguments.output is None else json.dumps(arguments.output),
        "synthetic.draw.primitives": primitives,
        "seed": arguments.seed,
        "workers": arguments.workers,
    }
    return [f"{key}={value}" for key, value in settings.items() if value is not None]


def main() -> None:
    arguments = parse_arguments()
    config = command_line.load_config_argument(arguments.config, [*arguments.overrides, *setting_overrides(arguments)])
    shard = command_line.resolve_shard(arguments.shard)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it only writes files here
    from superpoint_tf.data.generation import generate_synthetic_sets
    from superpoint_tf.interruption import StopRequest
    from superpoint_tf.progress import Console

    console = Console()
    with StopRequest() as stop:
        generate_synthetic_sets(config, shard, arguments.overwrite, console, stop)
    if shard[0] > 0:
        return  # shard 0 goes on
    given = "" if arguments.config == DEFAULTS else f" --config {arguments.config}"
    given += "" if arguments.output is None else f" --set synthetic.root={shlex.quote(arguments.output)}"
    console.line("next", f"python tools/homographic_adapt.py --iters 2{given}")


if __name__ == "__main__":
    command_line.run_tool(main)
