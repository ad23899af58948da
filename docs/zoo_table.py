"""Train every patch system for the same time on the same patches, and measure all of them: docs/results/zoo.json.

    python docs/zoo_table.py --photographs DIR --seconds 300 --output outputs/zoo

DIR has the folders that --train and --validation name (default: 5 % held out). Patches of 64 pixels are cut once, by
the sampler of every training, and kept as two of Brown's sets: one to train on, one of other photographs to judge on.
Each row is trained by one thread for so many seconds of CPU, two rows at a time, in steps that are timed first; then
`tools/evaluate.py patches` judges it on the set, and on --strips, patches in HPatches' layout. What is done is not done
again.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from zoo_results import zoo_tables

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config
from superpoint_tf.networks.patch_shapes import vector_dimension
from superpoint_tf.runtime.hardware import cpu_name
from superpoint_tf.systems import SYSTEMS, PatchSpec

SIDE_PX, A_SIDE = 64, 16  # of a patch of Brown's sets; patches of a side of its pictures
BATCH = 256  # points a step, of every row
TIMED_STEPS = 3
SOLVED_STEPS, SOLVED_BATCHES = 150, 20  # of a row that is solved for
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
VARIANTS = {  # rows of one system by several losses or settings
    "tfeat-ratio": ("tfeat", {"loss": "ratio"}),
    "deepdesc-1": ("deepdesc", {"mining_ratio": 1}),
    "deepdesc-2": ("deepdesc", {"mining_ratio": 2}),
    "deepdesc-4": ("deepdesc", {"mining_ratio": 4}),
    "l2net-e1": ("l2net", {"loss": "l2net_e1"}),
    "l2net-e1-e2": ("l2net", {"loss": "l2net_e1_e2"}),
    "hardnet-softmax": ("hardnet", {"loss": "softmax"}),
    "hardnet-contrastive": ("hardnet", {"loss": "contrastive"}),
    "hardnet-64": ("hardnet", {"batch_size": 64}),
    "hardnet-1024": ("hardnet", {"batch_size": 1024}),
}
READ_AS = {"binary-l2net": "l2net", "binary-cs-l2net": "cs-l2net"}  # whose weights are those of another row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", required=True, help="folder of photographs")
    parser.add_argument("--train", default="", help="its sub-folders to train on, comma-separated")
    parser.add_argument("--validation", default="", help="those to judge on")
    parser.add_argument("--strips", default="", help="patches in HPatches' layout, judged too")
    parser.add_argument("--seconds", type=float, default=300.0, help="of CPU, a row")
    parser.add_argument("--points", type=int, default=20_000, help="that are cut to train on")
    parser.add_argument("--rows", nargs="*", default=None, help="some of the rows alone")
    parser.add_argument("--output", default="outputs/zoo", type=Path)
    parser.add_argument("--row", help=argparse.SUPPRESS)  # train one, in a process of its own
    arguments = parser.parse_args()
    if arguments.row:
        train_row(arguments.row, arguments.output, arguments.seconds)
        return
    cut_sets(arguments)
    rows = arguments.rows or all_rows()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda row: run_row(row, arguments), rows))
    write_results(rows, arguments)


def all_rows() -> list[str]:
    """Return the systems of patches but those that are read as another's, and the variants."""
    patches = [name for name, row in SYSTEMS.items() if isinstance(row.network, PatchSpec)]
    return [name for name in patches if name not in READ_AS] + list(VARIANTS)


# ------------------------------------------------------------------------------------------------ patches


def cut_sets(arguments: argparse.Namespace) -> None:
    """Cut both sets, unless they are there."""
    sets = {"train": arguments.points, "validation": max(arguments.points // 10, 2 * BATCH)}
    for name, points in sets.items():
        folder = arguments.output / "patches" / f"photographs-{name}"
        if not (folder / "info.txt").exists():
            write_brown(folder, cut_patches(arguments, name, points))


def cut_patches(arguments: argparse.Namespace, name: str, points: int) -> np.ndarray:
    """Return patches uint8 (2, points, 64, 64) of both views, by the sampler of training."""

    from superpoint_tf.data.pipeline import BatchStream
    from superpoint_tf.training.build import build_task

    train, validation = arguments.train, arguments.validation
    photographs = {"root": arguments.photographs, "train": train, "validation": validation}
    if name == "validation":
        photographs |= {"train": validation, "validation": train}
    task = build_task(config_of("2ch", {"labels": "dog"}, photographs))
    with BatchStream(task.source, task.kind, task.settings.num_samples, task.source.key, task.views, -1) as stream:
        patches: list[np.ndarray] = []
        for batch in stream.batches():
            valid = batch["valid"].numpy()
            pair = [batch[view].numpy()[valid, ..., 0] for view in ("patches0", "patches1")]
            patches.append(np.rint(255 * np.stack(pair)).astype(np.uint8))
            if sum(each.shape[1] for each in patches) >= points:
                break
    return np.concatenate(patches, axis=1)[:, :points]


def write_brown(folder: Path, patches: np.ndarray) -> None:
    """Write patches (2, N, 64, 64) in Brown's layout, patch 2 i and 2 i + 1 of point i, and pairs of them."""
    folder.mkdir(parents=True, exist_ok=True)
    count = patches.shape[1]
    rows = patches.transpose(1, 0, 2, 3).reshape(-1, SIDE_PX, SIDE_PX)
    a_picture = A_SIDE**2
    for number in range(-(-len(rows) // a_picture)):
        grid = np.zeros((a_picture, SIDE_PX, SIDE_PX), np.uint8)
        part = rows[number * a_picture : (number + 1) * a_picture]
        grid[: len(part)] = part
        picture = grid.reshape(A_SIDE, A_SIDE, SIDE_PX, SIDE_PX).transpose(0, 2, 1, 3)
        side = A_SIDE * SIDE_PX
        cv2.imwrite(str(folder / f"patches{number:04d}.bmp"), picture.reshape(side, side))
    others = (np.arange(count) + count // 2 + 1) % count  # far off in the order: mostly of other photographs
    lines = [f"{2 * i} {i} 0 {2 * i + 1} {i} 0\n" for i in range(count)]
    lines += [f"{2 * i} {i} 0 {2 * j + 1} {j} 0\n" for i, j in enumerate(others)]
    (folder / f"m50_{count}_{count}_0.txt").write_text("".join(lines))
    (folder / "info.txt").write_text("".join(f"{point} 0\n" for point in np.repeat(np.arange(count), 2)))  # the last


# ------------------------------------------------------------------------------------------------ training


def config_of(row: str, patches: dict[str, Any], photographs: dict[str, Any] | None = None) -> Config:
    """Return the recipe of every row: Adam, 256 points a step, and the variant's own settings."""
    system, changes = VARIANTS.get(row, (row, {}))
    recipe = {"batch_size": BATCH, "points_per_picture": 64, "jitter": 2.0, "carry": "similarity"}
    rates = {"learning_rate": 1e-3, "warmup_steps": 20, "num_figures": 1}
    homography = {"max_angle_deg": 180.0, "max_zoom": 1.5, "symmetric_axes": True}
    pictures = {"image_shape": [320, 480], "flip": True, "homography": homography}
    return build_config(
        {
            "name": row,
            "train": "patches",
            "workers": 0 if photographs is None else -1,
            "network": {"system": system},
            "photographs": {**pictures, **(photographs or {})},
            "patches": {**recipe, **rates, **changes, **patches},
        }
    )


def run_row(row: str, arguments: argparse.Namespace) -> None:
    """Train a row in a process of its own, unless it is trained."""
    if (arguments.output / row / "cost.json").exists():
        return
    options = [
        "--row",
        row,
        "--photographs",
        "",
        "--seconds",
        str(arguments.seconds),
        "--output",
        str(arguments.output),
    ]
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(ROOT)}
    with (arguments.output / f"{row}.log").open("w") as log:
        done = subprocess.run(
            [sys.executable, __file__, *options], stdout=log, stderr=log, env=environment, check=False
        )
    print(f"{row}: {'trained' if not done.returncode else f'failed, see {log.name}'}", flush=True)


def train_row(row: str, output: Path, seconds: float) -> None:
    """Time some steps, then train for as many as fit."""
    from superpoint_tf.data.pipeline import BatchStream
    from superpoint_tf.training.build import build_task
    from superpoint_tf.training.state import TrainingState
    from superpoint_tf.training.trainer import train

    patches: dict[str, Any] = {"data": str(output / "patches")}
    if row in SYSTEMS and SYSTEMS[row].solved:
        solve_row(row, output, patches)
        return
    task = build_task(config_of(row, patches))
    state = TrainingState(task)
    with BatchStream(task.source, task.kind, task.settings.num_samples, task.source.key, task.views, 0) as stream:
        batches = stream.batches()
        state.train_step(next(batches))
        start = cpu_seconds()
        for _ in range(TIMED_STEPS):
            state.train_step(next(batches))
        step_s = (cpu_seconds() - start) / TIMED_STEPS
    steps = max(10, int(seconds / step_s))
    intervals = {"validate_every": steps, "log_every": max(steps // 20, 1), "checkpoint_every": steps}
    task = build_task(config_of(row, {**patches, **intervals, "steps": steps}))
    start = cpu_seconds()
    train(task, output / row, overwrite=True)
    write_cost(output / row, steps, cpu_seconds() - start, steps * task.settings.batch_size)


def solve_row(row: str, output: Path, patches: dict[str, Any]) -> None:
    """Solve for a row that has no gradients, on as many patches and steps as take about a minute and a half."""
    from superpoint_tf.training.build import build_task
    from superpoint_tf.training.convex.convex_run import train_convex_run

    settings = {"steps": SOLVED_STEPS, "validate_every": 50, "checkpoint_every": SOLVED_STEPS}
    task = build_task(config_of(row, {**patches, **settings, "convex": {"batches": SOLVED_BATCHES}}))
    start = cpu_seconds()
    train_convex_run(task, output / row, overwrite=True)
    write_cost(output / row, SOLVED_STEPS, cpu_seconds() - start, SOLVED_BATCHES * task.settings.batch_size)


def write_cost(folder: Path, steps: int, cpu_s: float, points: int) -> None:
    """Note what a row took: the last thing that is written of it."""
    (folder / "cost.json").write_text(json.dumps({"steps": steps, "cpu_s": cpu_s, "points": points}))


def cpu_seconds() -> float:
    """Return what this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# ------------------------------------------------------------------------------------------------ results


def write_results(rows: Sequence[str], arguments: argparse.Namespace) -> None:
    """Judge all rows and write what was measured to docs/results/zoo.json."""
    output = arguments.output
    trained = [row for row in rows if (output / row / "cost.json").exists()]
    trained += [write_binary(row, plain, output) for row, plain in READ_AS.items() if plain in trained]
    judged = {"synthetic": output / "patches" / "photographs-validation"}
    if arguments.strips:
        judged["strips"] = Path(arguments.strips)
    summaries = {}
    for name, data in judged.items():
        folder = output / f"evaluation-{name}"
        methods = ["classical", *(f"{row}={output / row / 'weights.npz'}" for row in trained)]
        command = [sys.executable, "tools/evaluate.py", "patches", "--data", str(data), "--methods", *methods]
        subprocess.run([*command, "--output", str(folder), "--overwrite"], cwd=ROOT, check=True)
        summaries[name] = json.loads((folder / "summary.json").read_text())["rows"]
    result = {
        "command": shlex.join(["python", "docs/zoo_table.py", "--seconds", f"{arguments.seconds:g}"]),
        "date": datetime.date.today().isoformat(),
        "device": f"{os.cpu_count()} threads, {cpu_name()}",
        "points": arguments.points,
        "tables": zoo_tables({row: facts_of(row, output) for row in trained}, summaries),
    }
    (ROOT / "docs" / "results" / "zoo.json").write_text(json.dumps(result, indent=1) + "\n")


def write_binary(row: str, plain: str, output: Path) -> str:
    """Write the weights of a row as those of its binary twin: the same numbers, of which the signs are taken."""
    from superpoint_tf.networks.weights import load_weights

    weights = load_weights(output / plain)
    (output / row).mkdir(exist_ok=True)
    dataclasses.replace(weights, network=weights.network.with_system(row)).save(output / row / "weights.npz")
    (output / row / "cost.json").write_text((output / plain / "cost.json").read_text())
    return row


def facts_of(row: str, output: Path) -> dict[str, Any]:
    """Return what a table says of a row beside its numbers."""
    system = VARIANTS.get(row, (row, {}))[0]
    spec = SYSTEMS[system].network
    assert isinstance(spec, PatchSpec)
    cost = json.loads((output / row / "cost.json").read_text())
    loss = config_of(row, {}).patches.loss or SYSTEMS[system].losses[0]
    dimension = None if spec.branches == "two channels" else vector_dimension(spec)
    return {"gives": SYSTEMS[system].gives, "dimension": dimension, "loss": loss, **cost}


if __name__ == "__main__":
    main()
