"""Train on labels of one's own: python tools/import_labels.py LABELS --images PHOTOGRAPHS --output labels/mine"""

from __future__ import annotations

import argparse
from pathlib import Path

from superpoint_tf import command_line
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined

EXAMPLES = [
    "points/ --images photographs/ --output labels/mine",
    "export/ --images coco/ --scaled cover:240x320 --config configs/small.yaml",
]
_HOW = ("cover", "stretch")


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser(
        "Turn points that other programs found, or people marked, into a label folder that training takes.",
        EXAMPLES,
    )
    parser.add_argument(
        "points",
        type=command_line.place,
        metavar="LABELS",
        help="folder with a file for each photograph, of its name: .npz with `points` (rows and columns, as "
        "rpautrat/SuperPoint exports them), `pts` (x, y, score, as eric-yyjau/pytorch-superpoint) or `keypoints` "
        "(x, y), or .txt or .csv of x y or x y score, perhaps below a header",
    )
    parser.add_argument(
        "--images", type=command_line.place, required=True, metavar="DIR", help="folder of the photographs"
    )
    parser.add_argument(
        "--order", choices=("xy", "yx"), default="", help="of the columns (default: as above); yx: row, column"
    )
    parser.add_argument(
        "--scaled",
        type=parse_scaled,
        metavar="HOW:HxW",
        help="points were found in photographs scaled to H x W px: cover:240x320 (until covered, the centre cut out, "
        "as by rpautrat/SuperPoint) or stretch:240x320 (each side by itself, as by eric-yyjau/pytorch-superpoint)",
    )
    parser.add_argument(
        "--output", type=command_line.label_folder, metavar="DIR", help="label folder (default: labels/<config name>)"
    )
    command_line.add_stretch_argument(parser)
    parser.add_argument(
        "--strict", action="store_true", help="a photograph that is missing or cannot be read is an error"
    )
    parser.add_argument("--overwrite", action="store_true", help="delete earlier labels in the folder")
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    return parser.parse_args()


def parse_scaled(text: str) -> tuple[str, tuple[int, int]]:
    """Parse `cover:240x320`; raises argparse.ArgumentTypeError."""
    how, _, size = text.partition(":")
    sides = size.split("x")
    if how not in _HOW or len(sides) != 2:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: expected HOW:HEIGHTxWIDTH, for example cover:240x320")
    return how, (command_line.positive_int(sides[0]), command_line.positive_int(sides[1]))


def main() -> None:
    arguments = parse_arguments()
    options = {"photographs.stretch": arguments.stretch}
    config = command_line.load_config_argument(arguments.config, arguments.overrides, options)
    from superpoint_tf.data.photographs.photograph_sets import find_photographs
    from superpoint_tf.interop.point_folders import list_point_files, pair_files
    from superpoint_tf.runtime import storage

    photographs = find_photographs(config.photographs, arguments.images)
    photographs = photographs.with_readable_validation(config.photographs.stretch)
    files, alone = pair_files(list_point_files(arguments.points), [*photographs.train, *photographs.validation])
    if alone and (arguments.strict or not files):
        raise ValueError(
            f"{storage.join(arguments.points, alone[0])}: no photograph of that name in {photographs.root} "
            f"({len(alone)} of {len(alone) + len(files)} files of points have none); pass their folder as --images"
        )
    from superpoint_tf.interop.label_import import LabelImport, figure_path, import_labels
    from superpoint_tf.interop.point_frames import PointFrame
    from superpoint_tf.runtime.progress import Console

    console, output = Console(), arguments.output or f"labels/{config.name}"
    paths = {name: storage.join(arguments.points, file) for name, file in files.items()}
    frame = PointFrame(*arguments.scaled) if arguments.scaled else PointFrame()
    request = LabelImport(config, photographs, paths, output, frame, arguments.order, arguments.strict)
    console.line("data", photographs.note)
    counts = import_labels(request, console, arguments.overwrite).counts
    if alone:
        console.line("left", f"{len(alone)} files of points without a photograph, for example {alone[0]}")
    for item in counts["left_out"]:
        console.line("warn", f"left out: {item['path']}: {item['reason']}")
    held_out = len(files) - counts["photographs"] - counts["num_left_out"]
    console.line(
        "wrote",
        f"{output}: {counts['photographs']} photographs, {counts['keypoints_per_image']:.1f} keypoints an image; "
        f"{held_out} with labels are held out for validation",
    )
    console.line("look", f"at {figure_path(output)} before you train: are the dots where they should be?")
    init = "joint.init=superpoint-small" if config.network.width == 0.5 else "joint.init=superpoint"
    stretch = f" --stretch {arguments.stretch}" if arguments.stretch else ""
    if not photographs.validation:
        console.line(
            "warn", "no photograph is held out, and training wants one to choose weights by: add another picture"
        )
        return
    folders = joined(["--labels", output, "--output", f"outputs/{Path(output).name}"])
    console.line("next", f"{how_to_run('train_superpoint')} {arguments.config} {folders}{stretch} --set {init}")
