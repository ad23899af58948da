"""The arguments that tools share, and their parsers: each refuses what it cannot be in one line."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from superpoint_tf.cluster.ray_cluster import RayCluster, check_reachable, connect
from superpoint_tf.config import ConfigError
from superpoint_tf.config.cluster import STRATEGIES, read_cluster
from superpoint_tf.config.stretch import check_stretch
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.storage import is_remote

LARGEST_INT = 2**31 - 1
_RAY_ADDRESS = re.compile(r"[\w.-]+:\d{1,5}|\[[\da-fA-F:]+\]:\d{1,5}")  # of the head: host:port
_FILE_SUFFIXES = {  # that no folder has
    *(
        ".avi",
        ".gif",
        ".jpeg",
        ".jpg",
        ".mkv",
        ".mov",
        ".mp4",
        ".pdf",
        ".png",
        ".svg",
        ".tif",
        ".tiff",
        ".webm",
        ".webp",
    ),
    *(".bmp", ".csv", ".db", ".h5", ".hdf5", ".html", ".json", ".npy", ".npz", ".onnx", ".pfm", ".tflite", ".txt"),
    *(".yaml", ".yml", ".zip"),
}


def add_shard_argument(parser: argparse.ArgumentParser) -> None:
    """Add --shard i/n; `resolve_shard` says what its absence means."""
    parser.add_argument(
        "--shard",
        type=parse_shard,
        metavar="i/n",
        help="do share i of n, 0 <= i < n (default: this task's share under TF_CONFIG, else all)",
    )


def resolve_shard(given: tuple[int, int] | None, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Return the share to do: the one `given`, else this task's of the cluster in TF_CONFIG, else everything.

    Raises ConfigError if TF_CONFIG is not valid.
    """
    if given is not None:
        return given
    cluster = read_cluster(environment)
    return (cluster.index, cluster.count) if cluster else (0, 1)


def add_ray_argument(parser: argparse.ArgumentParser) -> None:
    """Add --ray; `open_cluster` opens what it names."""
    parser.add_argument(
        "--ray",
        type=_ray_address,
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="spread the work over a Ray cluster: the one named, else the one that this machine is part of, else one "
        "of this machine alone (docs/cluster.md)",
    )


def _ray_address(text: str) -> str:
    if text and not _RAY_ADDRESS.fullmatch(text):  # argparse parses `const` too
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r}: expected host:port of a cluster's head, such as 10.0.0.1:6379, or nothing: then let "
            "another option or the end of the line follow"
        )
    return text


def check_ray_argument(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with an error for what --ray does not go together with."""
    if arguments.ray is not None and getattr(arguments, "shard", None):
        parser.error("--ray shares the work out by itself: leave out --shard, or --ray")


def check_cluster(address: str | None) -> None:
    """Raise ValueError if --ray names what cannot be reached; imports nothing, so call it before TensorFlow loads."""
    if address is not None:
        check_reachable(address)


def open_cluster(
    address: str | None, console: Console, environment: Mapping[str, str] = os.environ
) -> RayCluster | None:
    """Return the cluster that --ray names, None without it.

    Raises ValueError where it cannot be used, ConfigError under a TF_CONFIG that shares the work too.
    """
    if address is None:
        return None
    if (tasks := read_cluster(environment)) is not None and tasks.count > 1:
        raise ConfigError(f"--ray, and TF_CONFIG of {tasks.count} tasks, both share the work: unset TF_CONFIG")
    return connect(address, console)


def add_stretch_argument(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add --stretch; None where the config says it."""
    said = "the config's photographs.stretch" if default is None else default
    parser.add_argument(
        "--stretch",
        type=_stretch,
        default=default,
        metavar="HOW",
        help="spread grey levels, for thermal and 16-bit pictures: LOW,HIGH, one window of all, in the files' own "
        f"levels; percentile, of each picture from its 1st to its 99th percentile; none (default: {said})",
    )


def _stretch(text: str) -> str:
    try:
        return check_stretch(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_masks_argument(parser: argparse.ArgumentParser) -> None:
    """Add --masks."""
    parser.add_argument(
        "--masks",
        type=place,
        metavar="DIR",
        help="use nothing where a mask is black: DIR/a/b.jpg.png is that of a/b.jpg, as COLMAP has them, in the pixels "
        "that the file stores; a picture in place of a folder is the mask of all. Pictures without one are used whole",
    )


def add_strategy_argument(parser: argparse.ArgumentParser, choices: Sequence[str] = STRATEGIES) -> None:
    """Add --strategy with all choices, or those that make sense for a tool."""
    meanings = {
        "auto": "the cluster in TF_CONFIG if this tool uses it, else all GPUs, else one device",
        "mirrored": "every device of this machine",
        "multiworker": "every machine of the cluster in TF_CONFIG",
    }
    listed = "; ".join(f"{choice}: {meanings[choice]}" for choice in choices)
    parser.add_argument(
        "--strategy", choices=choices, default="auto", help=f"devices that share each batch. {listed} (default: auto)"
    )


def parse_shard(text: str) -> tuple[int, int]:
    """Parse `i/n` with 0 <= i < n; raises argparse.ArgumentTypeError."""
    try:
        index, count = (non_negative_int(part) for part in text.split("/"))
    except (argparse.ArgumentTypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: expected i/n, for example 0/4") from None
    if not 0 <= index < count:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 <= i < n, for example 0/4 .. 3/4")
    return index, count


def positive_int(text: str) -> int:
    """Parse a whole number above zero, and below 2**31; raises argparse.ArgumentTypeError."""
    return _to_int(text, 1, "above 0")


def non_negative_int(text: str) -> int:
    """Parse a whole number from zero up, below 2**31; raises argparse.ArgumentTypeError."""
    return _to_int(text, 0, "from 0 up")


def _to_int(text: str, least: int, meaning: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:20]) >= least):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: expected a whole number {meaning}")
    if int(text[:20]) > LARGEST_INT:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: expected at most {LARGEST_INT}")
    return int(text)


def place(text: str) -> str:
    """Parse the name of what is to be read, a path mostly; raises argparse.ArgumentTypeError for an empty one."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a name, found none")
    return text


def output_file(*suffixes: str, remote: bool = False) -> Callable[[str], str]:
    """Return the parser of a file to write, whose name ends with one of `suffixes` ("": with none, too).

    It need not be there. The parser raises argparse.ArgumentTypeError if it cannot be, for another ending, and for a
    URL unless files of this kind can be `remote`.
    """
    shown = " or ".join(filter(None, suffixes))

    def parse(text: str) -> str:
        if not remote:
            place_on_disk(text)
        if _nearest_there(place(text)) == Path(text) and Path(text).is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is a folder; name a file")
        if Path(text).suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(f"{text!r}: name a file that ends with {shown}")
        return text

    return parse


def place_on_disk(text: str) -> str:
    """Parse the name of what is written to a disk alone; raises argparse.ArgumentTypeError for a URL."""
    if is_remote(place(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r}: this is written to a disk alone; name a place on one, and copy it up when it is whole"
        )
    return text


def output_folder(text: str) -> str:
    """Parse the name of a folder to write, on a disk; raises argparse.ArgumentTypeError if it cannot be one."""
    return label_folder(place_on_disk(text))


def label_folder(text: str) -> str:
    """Parse the name of a label folder to write, which may be a URL; raises argparse.ArgumentTypeError."""
    if _nearest_there(place(text)) == Path(text) and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file; name a folder")
    if names_file(text):
        raise argparse.ArgumentTypeError(f"{text!r} names a file, and a folder is written; name a folder")
    return text


def names_file(text: str) -> bool:
    """Tell whether a name ends as files do, and no folder of that name is there."""
    return Path(text).suffix.lower() in _FILE_SUFFIXES and not Path(text).is_dir()


def check_outputs(
    parser: argparse.ArgumentParser, outputs: Mapping[str, str | None], inputs: Sequence[str] = ()
) -> None:
    """End with an error if two options name one file to write, or one would overwrite an input."""
    taken = {_real(path): path for path in inputs if is_remote(path) or Path(path).is_file()}
    for option, path in outputs.items():
        if path is None:
            continue
        if (other := taken.get(_real(path))) is not None:
            parser.error(f"{option} {path}: would overwrite {other}; name another file")
        taken[_real(path)] = option


def _real(path: str) -> str:
    return path if is_remote(path) else os.path.realpath(path)


def _nearest_there(text: str) -> Path | None:
    """Return the path, or the folder nearest to it that exists; None for a remote store.

    Raises argparse.ArgumentTypeError for what lies below a file, or where this user may not write.
    """
    if is_remote(text):
        return None
    path = Path(text)
    there = next(each for each in (path, *path.parents, Path(".")) if os.path.lexists(each))
    if there != path and not there.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: {there} is no folder; choose another place")
    if not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r}: {there} cannot be written; choose another place")
    return there


def positive_float(text: str) -> float:
    """Parse a finite number above zero; raises argparse.ArgumentTypeError."""
    value = _to_float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number above 0")
    return value


def fraction(text: str) -> float:
    """Parse a number from 0 to 1; raises argparse.ArgumentTypeError."""
    value = _to_float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 1")
    return value


def _to_float(text: str) -> float:
    """Return the number, or NaN, which lies in no range, for a text that is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
