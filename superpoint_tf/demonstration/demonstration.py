"""A demonstration on bundled photographs, with a table and pictures at the end: `make demo`.

With the weights that come with the package, or, from scratch, with the whole chain trained at laptop size.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

from superpoint_tf.command_line import load_config_argument
from superpoint_tf.data.labels.label_sets import labelled_photographs
from superpoint_tf.data.labels.labels import read_manifest
from superpoint_tf.demonstration.readme_pictures import draw_pictures
from superpoint_tf.evaluation.in_memory import Extractor, evaluate_pairs
from superpoint_tf.evaluation.methods.controls import CONTROLS
from superpoint_tf.evaluation.methods.methods import extractor_of, load_extractors
from superpoint_tf.evaluation.pair_averages import summarize
from superpoint_tf.evaluation.pair_protocol import DETECTOR_PROTOCOL as PROTOCOL
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.evaluation.report.console_table import format_table
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.networks.pretrained import WEIGHTS_FOLDER
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.invocation import how_to_run, start_of
from superpoint_tf.runtime.operating_system import joined
from superpoint_tf.runtime.progress import FROM_SCRATCH, Console, Progress, format_duration

CONFIG = FROM_SCRATCH
SHIPPED_CONFIG = "configs/small.yaml"  # of the network that comes with the package
SHIPPED = {"MagicPoint": "magicpoint-small", "SuperPoint": "superpoint-small"}
NUM_PAIRS = 40
COLUMNS = ("method", "repeatability", "localization_px", "matching_score", "h_1", "h_3", "h_5", "keypoints", "matches")
Row = dict[str, float | str]
SHOWN_CLASSICAL = ("Harris", "FAST", "SIFT", "ORB")


def run_demo(output: str, console: Console, from_scratch: bool = False) -> None:
    """Label the bundled photographs into `output`, then measure and draw every stage.

    The stages are the weights that come with the package or, `from_scratch`, what the three commands train with the
    quick config. A stage that an earlier call finished is skipped by its own command. Raises Interrupted if a command
    was interrupted, and StageFailed if one failed.
    """
    began = time.monotonic()
    for tool, *arguments in _chain_commands(output) if from_scratch else _labelling_commands(output):
        console.line("demo", f"{how_to_run(tool)} {joined(arguments)}")
        _run_command(tool, arguments)
    console.line("demo", f"commands finished after {format_duration(time.monotonic() - began)}; measuring every stage")
    models = {name: SuperPoint.from_pretrained(path) for name, path in _stages(output, from_scratch).items()}
    photographs = _photographs(output, from_scratch)
    pairs = _pairs(photographs, CONFIG if from_scratch else SHIPPED_CONFIG)
    rows = _measure(models, pairs, console)
    print(format_table(rows, COLUMNS))
    print(_verdict(rows, list(models)))
    print(
        f"{len(pairs)} random homographies of {len(photographs)} photographs that no stage was trained on, 240x320,\n"
        "the strongest 300 keypoints, NMS 4 px, right within 3 px; a dash: a detector alone has nothing to match."
    )
    print(_QUARTER_WIDTH if from_scratch else _SHIPPED)
    for figure in draw_pictures(models, Path(output) / "figures", ".png", photographs[0] if from_scratch else None):
        console.line("demo", f"look at {figure}")
    console.line("demo", f"finished after {format_duration(time.monotonic() - began)}")
    if not from_scratch:
        console.line("next", f"train everything from nothing, at laptop size: {how_to_run('demo')} --from-scratch")
    console.line("next", f"{how_to_run('finetune')} YOUR_FOLDER")


_QUARTER_WIDTH = (
    "This is a demonstration size: a quarter of the width, some hundred steps, 15 photographs. It shows that the\n"
    "stages work together, not what the method can do: it hardly matches. Fine-tuning ends with what does."
)
_SHIPPED = f"The weights come with the package; {WEIGHTS_FOLDER}/*.md say how they were made and what they can do."


def redraw_pictures(folder: str, console: Console) -> None:
    """Draw the README's pictures with the weights that come with the package, and nothing else."""
    models = {name: SuperPoint.from_pretrained(path) for name, path in SHIPPED.items()}
    for picture in draw_pictures(models, Path(folder), ".jpg"):
        console.line("demo", f"look at {picture}")


class StageFailed(Exception):
    """A command of the chain failed; its own message stands above."""


def _run_command(tool: str, arguments: list[str]) -> None:
    """Run one command of the chain; Ctrl-C reaches it by itself, SIGTERM is passed on, and it saves before it ends."""
    with StopRequest() as stop:
        process = subprocess.Popen([*start_of(tool), *arguments])
        forwarded = False
        while process.poll() is None:
            time.sleep(0.2)
            if stop.signal_number == signal.SIGTERM and not forwarded:
                process.send_signal(signal.SIGTERM)
                forwarded = True
        stop.raise_if_requested("the demonstration was interrupted")
    if process.returncode:
        raise StageFailed(f"`{how_to_run(tool)} {joined(arguments)}` failed with exit code {process.returncode}")


def _labelling_commands(output: str) -> list[list[str]]:
    return [
        [
            *("homographic_adapt", "--iters", "1", "--config", SHIPPED_CONFIG, "--images", "bundled"),
            *("--detector", SHIPPED["MagicPoint"], "--output", f"{output}/labels"),
        ]
    ]


def _chain_commands(output: str) -> list[list[str]]:
    # quoted: a folder's name may hold what YAML reads as a comment or a mapping
    synthetic = ["--set", "synthetic.root=" + json.dumps(f"{output}/synthetic", ensure_ascii=False)]
    return [
        ["generate_synthetic", "--config", CONFIG, "--output", f"{output}/synthetic"],
        ["train_superpoint", CONFIG, "--output", f"{output}/magicpoint", *synthetic, "train=detector"],
        [
            *("homographic_adapt", "--iters", "2", "--config", CONFIG, "--images", "bundled"),
            *("--detector", f"{output}/magicpoint", "--output", f"{output}/labels"),
        ],
        ["train_superpoint", CONFIG, "--labels", f"{output}/labels", "--output", f"{output}/superpoint"],
    ]


def _stages(output: str, from_scratch: bool) -> dict[str, str]:
    """Return the weights of each stage by its name, in the order of the table; the last one describes."""
    if not from_scratch:
        return SHIPPED
    return {
        "MagicPoint": f"{output}/magicpoint",
        "round 1": f"{output}/labels/detector_round_1",
        "SuperPoint": f"{output}/superpoint",
    }


def _photographs(output: str, from_scratch: bool) -> list[str]:
    """Return photographs that no stage was trained on: the held-out ones, or all where nothing was trained on them."""
    manifest = read_manifest(f"{output}/labels")
    labelled = () if from_scratch else labelled_photographs(f"{output}/labels", manifest)
    names = [*labelled, *manifest.validation]
    return [storage.join(manifest.image_root, name) for name in names]


def _pairs(photographs: list[str], config_name: str) -> list[ImagePair]:
    config = load_config_argument(config_name, [])
    # another seed than the validation in training, by which the weights were chosen
    seed = config.seed + 1
    settings = (config.evaluation.homography, config.photographs.photometric)
    return list(random_homography_pairs(photographs, PROTOCOL.image_shape, *settings, seed, NUM_PAIRS))


def _measure(models: dict[str, SuperPoint], pairs: list[ImagePair], console: Console) -> list[Row]:
    methods: dict[str, Extractor] = {name: extractor_of(model) for name, model in models.items()}
    methods |= load_extractors([*SHOWN_CLASSICAL, "controls"])
    with Progress(len(pairs), "eval", "pairs", console=console) as progress:
        return summarize(evaluate_pairs(pairs, methods, PROTOCOL, on_pair=progress.update))


def _verdict(rows: list[Row], stages: list[str]) -> str:
    """Say which stages repeat better than controls that see nothing, and which do not."""
    repeatability = {str(row["method"]): float(row["repeatability"]) for row in rows}
    blind = max(repeatability[name] for name in CONTROLS)
    blinder = [name for name in stages if repeatability[name] <= blind]
    if blinder:
        return f"{', '.join(blinder)}: no more repeatable than points that see nothing ({blind:.3f}): has not learnt."
    return f"Every stage is more repeatable than points that see nothing ({blind:.3f})."
