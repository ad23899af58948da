"""Start from public weights: python tools/import_weights.py superpoint_v1.pth"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from superpoint_tf import command_line
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined

if TYPE_CHECKING:
    from superpoint_tf.interop.origin import Origin
    from superpoint_tf.networks.weights import Weights
    from superpoint_tf.runtime.progress import Console


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Turn a public PyTorch or MatConvNet network into a weights file; nothing that it holds is executed.",
        ["superpoint_v1.pth", "superpoint_v6_from_tf.pth --output weights/superpoint.npz"],
    )
    parser.add_argument(
        "file",
        type=command_line.place,
        metavar="FILE",
        help="Magic Leap's superpoint_v1.pth, rpautrat's superpoint_v6_from_tf.pth, a .params of TFeat, a .pth of "
        "HardNet, or a .mat of TNet",
    )
    parser.add_argument(
        "--output",
        type=command_line.output_file(".npz", remote=True),
        metavar="FILE",
        help="weights file (default: outputs/<name of FILE>/weights.npz)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace other weights in that file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if not Path(arguments.file).exists():
        raise ValueError(f"{arguments.file}: no such file; docs/using.md says where its authors offer it")
    command_line.set_up_tensorflow()
    from superpoint_tf.runtime.progress import Console

    weights, origin = load(arguments.file)
    output = arguments.output or f"outputs/{Path(arguments.file).stem}/weights.npz"
    save(weights, output, arguments.overwrite)
    report(weights, origin, output, Console())


def load(file: str) -> tuple[Weights, Origin]:
    from superpoint_tf.interop.matconvnet import load_matconvnet
    from superpoint_tf.interop.pytorch import load_pytorch

    return load_matconvnet(file) if file.endswith(".mat") else load_pytorch(file)


def save(weights: Weights, output: str, overwrite: bool) -> None:
    """Write the file; raises ValueError if other weights are there, which may have cost a training."""
    from superpoint_tf.runtime import storage

    there = storage.exists(output) and storage.read_bytes(output) != weights.to_bytes()
    if there and not overwrite:
        raise ValueError(f"{output}: holds other weights; choose another --output, or pass --overwrite")
    weights.save(output)


def report(weights: Weights, origin: Origin, output: str, console: Console) -> None:
    """Print what was found, what it may be used for, and how."""
    network, path = weights.network, joined([output])
    count = sum(array.size for array in weights.arrays.values())
    norm = "with" if network.batch_norm else "without"
    name = f"SuperPoint {norm} batch norm" if network.system == "superpoint" else network.system
    console.line("found", f"{name}, {count:,} weights, as in {origin.name}")
    console.line("warn" if origin.restricted else "terms", origin.licence)
    console.line("wrote", output)
    if network.system != "superpoint":
        console.line("next", f"{how_to_run('extract')} YOUR_FOLDER --keypoints sift --descriptor {path}")
        return
    settings = f"network.width={network.width:g} network.batch_norm={str(network.batch_norm).lower()}"
    console.line("use", f"SuperPoint.from_pretrained({output!r})")
    console.line("use", f"{how_to_run('homographic_adapt')} --iters 1 --detector {path} --images YOUR_FOLDER")
    console.line("next", f"{how_to_run('train_superpoint')} configs/coco.yaml --set joint.init={path} {settings}")
