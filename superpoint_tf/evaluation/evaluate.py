"""What every run of `tools/evaluate.py` is asked for, and what it writes: tables, files, report; none of a protocol."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

import superpoint_tf
from superpoint_tf.config import Config
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.evaluation.extraction import open_stores
from superpoint_tf.evaluation.frame_extraction import MethodCluster, Stores
from superpoint_tf.evaluation.measures import CURVES
from superpoint_tf.evaluation.methods.methods import Method, NamedMethod
from superpoint_tf.evaluation.report.curves import DOTS
from superpoint_tf.evaluation.report.markdown import markdown_text
from superpoint_tf.evaluation.report.report import html_report
from superpoint_tf.evaluation.results import Evaluation, Measured
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import start_pool

Pool = concurrent.futures.Executor | None
RESULT_FILES = ("summary.json", "pairs.csv", "pictures.csv", "table.md", "report.html")
_UNFINISHED = f".*{storage.TEMPORARY_SUFFIX}"


@dataclass(frozen=True)
class Request:
    """What a run is asked for."""

    config: Config
    methods: Sequence[NamedMethod]  # of the kind that the protocol loads
    output: str
    facts: dict[str, Any]  # written to the summary: data, command, versions
    console: Console
    data: str = ""  # folder; empty: the protocol makes its own
    num: int | None = None  # of what the protocol counts; None: its default
    presets: Sequence[str] = ()  # settings of pairs, by name; none: all
    transposed: bool = False  # every pair also with x and y exchanged
    images_folder: str | None = None  # write the frames there
    overwrite: bool = False  # compute the methods' features again
    compared: Sequence[tuple[str, str]] = ()  # names of two methods each, to be compared pair by pair
    on: MethodCluster | None = None  # finds features; None: this process
    left_out: list[str] = field(default_factory=list)  # what the data held and could not be used; filled on the way

    @property
    def features_folder(self) -> Path:
        """Return where the methods' feature files are."""
        return Path(self.output) / "features"

    @property
    def files(self) -> dict[str, str]:
        """Return the feature file of each method."""
        return {method.name: str(self.features_folder / method.file_name) for method in self.methods}

    @property
    def identities(self) -> dict[str, dict[str, Any]]:
        """Return what each method is."""
        return {method.name: method.identity for method in self.methods}

    @property
    def stopped(self) -> str:
        """Return what is said when features are found and a stop is asked for."""
        return f"{self.output}: stopped; the features that were found are kept"

    @property
    def all_facts(self) -> dict[str, Any]:
        """Return the facts of a run over data that may have been left out in part."""
        return self.facts | {"left_out": self.left_out}

    def say_left_out(self) -> None:
        """Name some of what could not be used."""
        if self.left_out:
            self.console.line("eval", f"left out: {len(self.left_out)} | {'; '.join(self.left_out[:5])}")


def check_output(folder: str) -> None:
    """Refuse a folder whose summary.json is not an evaluation's; raises ValueError."""
    path = Path(folder) / "summary.json"
    found = storage.read_json(path) if path.exists() else {"protocol": ""}
    if not isinstance(found, dict) or "protocol" not in found:
        raise ValueError(f"{folder}: its summary.json is not of an evaluation; choose another --output")


def remove_results(folder: str) -> None:
    """Delete the results of an earlier run, finished or killed, so that none stands beside those of this one.

    The features stay.
    """
    own = {
        Path(folder): RESULT_FILES,
        Path(folder) / "figures": [f"{name}.png" for name in (*CURVES, DOTS, "example_*")],
    }
    for place, names in own.items():
        for path in [path for name in names for end in ("", _UNFINISHED) for path in place.glob(name + end)]:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def open_request(request: Request) -> Iterator[Stores]:
    """Open the methods' feature files, of an output folder that is one of an evaluation or new."""
    check_output(request.output)
    methods = cast(Sequence[Method], request.methods)
    with open_stores(request.features_folder, methods, request.console, request.overwrite) as stores:
        yield stores


@contextlib.contextmanager
def open_pool(config: Config) -> Iterator[Pool]:
    pool = start_pool(config.workers)
    try:
        yield pool
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def publish(request: Request, measured: Measured) -> Evaluation:
    """Write everything into the output folder: first the numbers, then what takes a while to draw."""
    remove_results(request.output)
    evaluation = measured.evaluation()
    evaluation.save(request.output)
    folder, written = Path(request.output), ["table.md", "summary.json"]
    evaluation = replace(evaluation, examples=measured.examples(), figures=measured.figures())
    for figure in evaluation.figures:
        save_png(folder / "figures" / f"{figure.stem}.png", figure.picture)
    for number, example in enumerate(evaluation.examples):
        save_png(folder / "figures" / f"example_{number:02d}.png", example.picture)
    storage.write_bytes(folder / "table.md", markdown_text(evaluation.markdown).encode())
    if evaluation.report:
        storage.write_bytes(folder / "report.html", html_report(evaluation).encode())
        written = ["report.html", *written]
    if evaluation.figures or evaluation.examples:
        written.append("figures/")
    if not evaluation.report:
        written += evaluation.lines
    request.console.line("eval", f"{folder}/{' | '.join(written)}")
    return evaluation


def describe_run(data: str, config: Config, command: str, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader of the results needs to repeat the run; `sampling` is what the protocol draws by."""
    return {
        "data": data,
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "superpoint_tf": superpoint_tf.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "seed": config.seed,
        **sampling,
    }
