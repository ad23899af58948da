"""What the tools share: arguments, and how a process begins and ends."""

from superpoint_tf.command_line.arguments import (
    LARGEST_INT,
    add_masks_argument,
    add_ray_argument,
    add_shard_argument,
    add_strategy_argument,
    add_stretch_argument,
    check_outputs,
    check_ray_argument,
    fraction,
    names_file,
    non_negative_int,
    open_cluster,
    output_file,
    output_folder,
    parse_shard,
    place,
    positive_float,
    positive_int,
    resolve_shard,
)
from superpoint_tf.command_line.config_arguments import add_config_arguments, load_config_argument
from superpoint_tf.command_line.parser import Parser
from superpoint_tf.command_line.tool import run_tool, set_up_tensorflow

__all__ = [
    "LARGEST_INT",
    "Parser",
    "add_config_arguments",
    "add_masks_argument",
    "add_ray_argument",
    "add_shard_argument",
    "add_strategy_argument",
    "add_stretch_argument",
    "check_outputs",
    "check_ray_argument",
    "fraction",
    "load_config_argument",
    "names_file",
    "non_negative_int",
    "open_cluster",
    "output_file",
    "output_folder",
    "parse_shard",
    "place",
    "positive_float",
    "positive_int",
    "resolve_shard",
    "run_tool",
    "set_up_tensorflow",
]
