"""Measure methods side by side: python tools/evaluate.py hpatches --data DIR --methods classical controls"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from superpoint_tf import command_line
from superpoint_tf.command_line.detection_options import add_network_options, detection_from_options
from superpoint_tf.data.photographs.photograph_sets import BUNDLED
from superpoint_tf.evaluation.methods.methods import check_files
from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.operating_system import joined

METHODS_HELP = """\
classical, controls, one of either by name (Harris, "grid (control)"), or WHAT or 'ROW NAME=WHAT', where WHAT is weights
(file, run folder, checkpoint, or the name of some that come with the package), config.yaml (that network untrained),
module:function or file.py:function (from a grey image to keypoints, scores, descriptors), features.h5, or any of these
described by a patch system, SIFT+hardnet (default: classical controls). uniform:WHAT: a control, what WHAT finds in
random order. For patches: classical (pixels, SIFT, RootSIFT,
ORB, BRISK), controls, weights of a patch system (HardNet=hardnet), or module:function from patches uint8 (N, S, S) to
descriptors (N, D). For stereo: classical (AD, census, BM, SGBM ...), controls, or weights of a stereo system, which
give three rows: with post-processing, where left and right agree alone, and without it"""

EXAMPLES = [
    "hpatches --data hpatches-sequences-release --methods classical controls SuperPoint=outputs/small",
    "random-homography --data bundled --methods SIFT superpoint-small --presets 240x320 --num 20",
    "patches --data hpatches-release --methods classical controls HardNet=hardnet",
    "hpatches --data hpatches-sequences-release --methods classical superpoint --ray 10.0.0.1:6379",
    "synthetic --methods magicpoint-small FAST --num 20",
]


def parse_arguments() -> argparse.Namespace:
    parser = command_line.Parser("Measure methods side by side: same images, budget and suppression.", EXAMPLES)
    whats = list(dict.fromkeys(protocol.what for protocol in PROTOCOLS.values()))
    parser.add_argument(
        "protocol",
        choices=tuple(PROTOCOLS),
        help=f"{', '.join(whats[:-1])}, or {whats[-1]}",
    )
    parser.add_argument(
        "--data",
        type=command_line.place,
        metavar="DIR",
        help="folder in HPatches layout, of photographs (`bundled`: scikit-image's; for retrieval perhaps "
        "places/<place>/*.jpg and distractors/*.jpg), or of patches: HPatches' strips "
        "(<sequence>/ref.png, e1.png, ...) or Brown's sets (patches0000.bmp, info.txt, m50_..._0.txt), or of stereo "
        "pairs: Middlebury's (<name>/im2.png, im6.png, disp2.png; im0.png, im1.png, disp0.pfm) or KITTI's",
    )
    parser.add_argument("--methods", nargs="+", default=["classical", "controls"], metavar="WHAT", help=METHODS_HELP)
    parser.add_argument(
        "--presets",
        nargs="+",
        choices=("240x320", "480x640", "config"),
        help="240x320: 300 keypoints, NMS 4 px; 480x640: 1000, NMS 8 px; config: its evaluation section (default: two)",
    )
    parser.add_argument(
        "--num",
        type=command_line.positive_int,
        metavar="N",
        help="; ".join(f"{p.num} of {name} (default: {p.default_num})" for name, p in PROTOCOLS.items() if p.num),
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        action="append",
        default=[],
        metavar=("A", "B"),
        help="two rows' names: print what B gains over A, pair by pair, with the standard error; may be repeated",
    )
    parser.add_argument(
        "--transposed",
        action="store_true",
        help="evaluate each pair also with x and y exchanged, and print what each method loses by it",
    )
    add_network_options(parser)
    command_line.add_stretch_argument(parser)
    parser.add_argument(
        "--output",
        type=command_line.output_folder,
        metavar="DIR",
        help="results folder (default: outputs/evaluation/PROTOCOL)",
    )
    parser.add_argument(
        "--write-images",
        type=command_line.output_folder,
        metavar="DIR",
        help="also write the frames as PNG, for other programs",
    )
    parser.add_argument("--overwrite", action="store_true", help="compute the features of these methods again")
    command_line.add_ray_argument(parser)
    command_line.add_config_arguments(parser, default="configs/coco.yaml")
    arguments = parser.parse_args()
    options = ("data", "num", "presets", "compare", "transposed", "write_images", "overwrite", "stretch")
    given = [name.replace("_", "-") for name in options if getattr(arguments, name)]
    given += ["ray"] * (arguments.ray is not None)
    refusal = PROTOCOLS[arguments.protocol].refusal(arguments.protocol, given)
    if refusal:
        parser.error(refusal)
    return arguments


def main() -> None:
    arguments = parse_arguments()
    command_line.check_cluster(arguments.ray)
    options = {"photographs.stretch": arguments.stretch}
    config = command_line.load_config_argument(arguments.config, arguments.overrides, options)
    if arguments.data and not storage.exists(arguments.data) and arguments.data != BUNDLED:
        raise FileNotFoundError(f"{arguments.data}: no such folder")
    check_files(arguments.methods)
    command_line.set_up_tensorflow()
    from superpoint_tf.evaluation.comparison import check_comparisons
    from superpoint_tf.evaluation.evaluate import Request, describe_run
    from superpoint_tf.evaluation.frame_extraction import MethodCluster
    from superpoint_tf.evaluation.report.console_table import console_text
    from superpoint_tf.runtime.progress import Console

    protocol = PROTOCOLS[arguments.protocol]
    console = Console()
    load = partial(protocol.load, arguments.methods, detection_from_options(arguments, protocol.detection))
    methods = load()
    cluster = command_line.open_cluster(arguments.ray, console)
    command = f"{how_to_run('evaluate')} {joined(sys.argv[1:])}"
    request = Request(
        config,
        methods,
        arguments.output or f"outputs/evaluation/{arguments.protocol}",
        describe_run(arguments.data or "drawn", config, command, protocol.sampling(config)),
        console,
        arguments.data or "",
        arguments.num,
        arguments.presets or (),
        arguments.transposed,
        arguments.write_images,
        arguments.overwrite,
        check_comparisons(arguments.compare, [method.name for method in methods]),
        None if cluster is None else MethodCluster(cluster, load),
    )
    print(f"\n{console_text(protocol.run(request).console)}")
