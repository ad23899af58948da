"""Train all networks of digits alike, on all four distortions, and measure them: docs/results/stn.json, docs/stn.jpg.

    python docs/stn_table.py --seeds 2 --output outputs/stn

Every cell of the table is a training by configs/zoo/stn-laptop.yaml with another row of systems, distortion and seed,
one after the other; what is done is not done again. Each is measured on the digits held out for the test, which are the
same for all, at its last step. Standard errors are over the digits, which all rows share: those of differences are of
the paired differences.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import load_config
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.hardware import cpu_name

DISTORTIONS = ("R", "RTS", "P", "E")
KINDS = ("affine", "projective", "spline")
FAMILIES = {
    "FCN": ("digits-fcn", *(f"st-fcn-{kind}" for kind in KINDS)),
    "CNN": ("digits-cnn", *(f"st-cnn-{kind}" for kind in KINDS)),
}
ROWS = (*FAMILIES["FCN"], *FAMILIES["CNN"])
TIMES = 5  # distortions of each digit of the test
SHOWN = 10  # digits of a row of the picture
Cells = dict[tuple[str, str], np.ndarray]  # by distortion and row: the share of wrong answers, (seeds, digits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=None, help="of every training (default: the config's)")
    parser.add_argument("--distortions", nargs="*", default=DISTORTIONS, help="train for some of them alone")
    parser.add_argument("--output", default="outputs/stn", type=Path)
    parser.add_argument("--write", action="store_true", help="train nothing; write what is there")
    arguments = parser.parse_args()
    if not arguments.write:
        for seed in range(arguments.seeds):
            for distortion in arguments.distortions:
                for row in ROWS:
                    run_cell(cell_config(row, distortion, seed, arguments.steps), arguments.output)
    write_results(arguments)


def cell_config(row: str, distortion: str, seed: int, steps: int | None) -> Config:
    """Return the config of one training: all of them differ in row, distortion and seed alone."""
    config = load_config(ROOT / "configs" / "zoo" / "stn-laptop.yaml", [f"network.system={row}", f"seed={seed}"])
    steps = steps or config.digits.steps
    once = {"validate_every": steps, "checkpoint_every": steps, "num_figures": 0}
    digits = dataclasses.replace(config.digits, distortion=distortion, steps=steps, **once)
    return dataclasses.replace(config, name=f"{row}-{distortion}-{seed}", digits=digits)


def run_cell(config: Config, output: Path) -> None:
    """Train one cell and keep which answers of the test are wrong, unless that is done."""
    from superpoint_tf.training.build import build_task
    from superpoint_tf.training.digit_validation import wrong_answers
    from superpoint_tf.training.trainer import train

    folder = output / config.name
    if (folder / "wrong.npz").exists():
        return
    start = time.process_time()
    train(build_task(config), folder)
    seconds = time.process_time() - start
    network = trained_network(folder)
    wrong = wrong_answers(network, config.digits.distortion, "test", TIMES)
    counts = {"seconds": np.array(seconds), "steps": np.array(config.digits.steps)}
    storage.write_bytes(folder / "wrong.npz", storage.npz_bytes(wrong=wrong, **counts))  # whole: it says `done`
    print(f"{config.name}: error {100 * wrong.mean():.2f} %, {seconds:.0f} s of CPU", flush=True)


def trained_network(folder: Path) -> Any:
    """Return the network of a finished training."""
    from superpoint_tf.networks.build import build_network
    from superpoint_tf.networks.weights import assign_weights, load_weights

    weights = load_weights(folder)
    network = build_network(weights.network)
    assign_weights(network, weights, str(folder))
    return network


# ------------------------------------------------------------------------------------------------ results


def read_cells(output: Path, seeds: int) -> tuple[Cells, list[float], set[int]]:
    """Return the cells that are there for all seeds, the seconds of CPU of each training, and the steps."""
    cells: Cells = {}
    seconds, steps = [], set()
    for distortion in DISTORTIONS:
        for row in ROWS:
            files = [output / f"{row}-{distortion}-{seed}" / "wrong.npz" for seed in range(seeds)]
            if not all(file.exists() for file in files):
                continue
            loaded = [np.load(file) for file in files]
            cells[distortion, row] = np.stack([each["wrong"].mean(axis=0) for each in loaded])
            seconds += [float(each["seconds"]) for each in loaded]
            steps |= {int(each["steps"]) for each in loaded}
    return cells, seconds, steps


def percent(values: np.ndarray) -> tuple[float, float]:
    """Return the mean over seeds and digits (S, N) in percent, and its standard error over the digits."""
    by_digit = 100 * values.mean(axis=0)
    return float(by_digit.mean()), float(by_digit.std(ddof=1) / math.sqrt(len(by_digit)))


def errors_table(cells: Cells) -> dict[str, Any]:
    """Return the errors as docs/tables.py takes them, the lowest of a distortion in bold."""
    best = {of: min(wrong.mean() for (at, _), wrong in cells.items() if at == of) for of, _ in cells}

    def cell(row: str, distortion: str) -> str | None:
        if (distortion, row) not in cells:
            return None
        error, deviation = percent(cells[distortion, row])
        text = f"{error:.1f} ± {deviation:.1f}"
        return f"**{text}**" if cells[distortion, row].mean() == best[distortion] else text

    columns = {"row": {"title": "error, %"}, **{name: {"title": name} for name in DISTORTIONS}}
    rows = [{"row": f"`{row}`", **{name: cell(row, name) for name in DISTORTIONS}} for row in ROWS]
    return {"columns": columns, "rows": rows}


def orderings_table(cells: Cells) -> dict[str, Any]:
    """Return what is claimed of pairs of rows, with the paired differences that were measured.

    Undecided is a difference within two of its standard errors.
    """
    rows = []
    for distortion, lower, higher in claims():
        if (distortion, lower) not in cells or (distortion, higher) not in cells:
            continue
        difference, deviation = percent(cells[distortion, lower] - cells[distortion, higher])
        ratio = cells[distortion, lower].mean() / max(cells[distortion, higher].mean(), 1e-9)
        clear, holds = abs(difference) > 2 * deviation, difference < 0
        row = {"distortion": distortion, "claim": f"`{lower}` below `{higher}`"}
        row |= {"difference": f"{difference:+.1f} ± {deviation:.1f}", "ratio": f"{ratio:.2f}"}
        rows.append(row | {"verdict": ("holds" if holds else "does not hold") if clear else "undecided"})
    titles = {
        "distortion": "",
        "claim": "the paper",
        "difference": "difference, %",
        "ratio": "ratio",
        "verdict": "here",
    }
    return {"columns": {name: {"title": title} for name, title in titles.items()}, "rows": rows}


def claims() -> Iterator[tuple[str, str, str]]:
    """Yield distortion, the row that should have the lower error, and the one it is compared with."""
    for plain, *transformers in FAMILIES.values():
        for distortion in DISTORTIONS:
            yield from ((distortion, row, plain) for row in transformers)
    for _, affine, *others in FAMILIES.values():
        for distortion in ("P", "E"):
            yield from ((distortion, row, affine) for row in others)


def write_results(arguments: argparse.Namespace) -> None:
    """Write the table and the picture of what is there for all seeds."""
    cells, seconds, steps = read_cells(arguments.output, arguments.seeds)
    words = ["python", "docs/stn_table.py", "--seeds", str(arguments.seeds)]
    words += ["--steps", str(arguments.steps)] if arguments.steps else []
    first = next(iter(cells.values()))
    result = {
        "command": shlex.join(words),
        "date": datetime.date.today().isoformat(),
        "device": f"{os.cpu_count()} threads, {cpu_name()}; one used",
        "steps": sorted(steps),
        "seeds": arguments.seeds,
        "test": {"digits": first.shape[1], "distortions of each": TIMES},
        "cpu_seconds": round(sum(seconds), 1),
        "tables": {"errors": errors_table(cells), "orderings": orderings_table(cells)},
        "seeds_percent": {
            f"{row} {distortion}": [round(100 * float(each.mean()), 3) for each in wrong]
            for (distortion, row), wrong in cells.items()
        },
    }
    (ROOT / "docs" / "results" / "stn.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    for table in result["tables"].values():
        for line in table["rows"]:
            print(" | ".join(map(str, line.values())))
    draw_picture(arguments.output)


def draw_picture(output: Path) -> None:
    """Draw what the convolutional rows crop of the first digits of the test: docs/stn.jpg, and in the output folder."""
    from superpoint_tf.training.digit_validation import distorted_digits, draw_digit_crops

    sheets = []
    for distortion in DISTORTIONS:
        images = distorted_digits(distortion, "test", 1)[0][:SHOWN]
        for kind in KINDS:
            folder = output / f"st-cnn-{kind}-{distortion}-0"
            if not (folder / "wrong.npz").exists():
                continue
            sheet = draw_digit_crops(trained_network(folder), images, SHOWN)
            assert sheet is not None
            label = np.zeros((sheet.shape[0], 150, 3), np.uint8)
            cv2.putText(
                label, f"{distortion} {kind}", (6, 90), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255,) * 3, 1, cv2.LINE_AA
            )
            sheets.append(np.hstack([label, sheet]))
    if sheets:
        sheet = np.vstack(sheets)
        cv2.imwrite(str(output / "crops.png"), sheet)
        cv2.imwrite(str(ROOT / "docs" / "stn.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 70])


if __name__ == "__main__":
    main()
