"""One run of `tools/evaluate.py`: features to disk, measures from disk, then the table, the files and the report."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import superpoint_tf
from superpoint_tf.config import Config
from superpoint_tf.config.config_files import config_to_dict
from superpoint_tf.data.shapes.synthetic_sets import drawn_primitives
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.evaluation.columns import CURVES
from superpoint_tf.evaluation.extraction import PairRecord, Stores, extract_pairs, open_stores, report_dropped
from superpoint_tf.evaluation.measures import PRESETS, PairProtocol
from superpoint_tf.evaluation.measuring import measure_budgets, measure_records, smaller_budgets
from superpoint_tf.evaluation.methods.methods import Method
from superpoint_tf.evaluation.protocols.shapes import (
    CONDITIONS,
    Shape,
    ShapeRecord,
    draw_shapes,
    extract_shape,
    measure_shapes,
    shapes_protocol,
)
from superpoint_tf.evaluation.report.comparison_tables import comparisons_markdown
from superpoint_tf.evaluation.report.curves import DOTS, pairs_figures, shapes_figures
from superpoint_tf.evaluation.report.examples import draw_pair_examples, draw_shape_examples
from superpoint_tf.evaluation.report.markdown import pairs_markdown, shapes_markdown
from superpoint_tf.evaluation.report.report import pairs_report, shapes_report
from superpoint_tf.evaluation.results import Example, PairsEvaluation, ShapesEvaluation
from superpoint_tf.evaluation.sets.pair_sets import MakePairs
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console, Progress
from superpoint_tf.runtime.workers import start_pool

Pool = concurrent.futures.Executor | None
RESULT_FILES = ("summary.json", "pairs.csv", "pictures.csv", "table.md", "report.html")
OWN_SETTING = "config"
_UNFINISHED = f".*{storage.TEMPORARY_SUFFIX}"


@dataclass(frozen=True)
class Request:
    """What a run is asked for."""

    config: Config
    methods: Sequence[Method]
    output: str
    facts: dict[str, Any]  # written to the summary: protocol, data, command
    console: Console
    images_folder: str | None = None  # write the frames there
    overwrite: bool = False  # compute the methods' features again
    compared: Sequence[tuple[str, str]] = ()  # names of two methods each, to be compared pair by pair
    left_out: list[str] = field(default_factory=list)  # what the data held and could not be used; filled on the way

    @property
    def features_folder(self) -> Path:
        """Return where the methods' feature files are."""
        return Path(self.output) / "features"

    @property
    def files(self) -> dict[str, str]:
        """Return the feature file of each method."""
        return {method.name: str(self.features_folder / method.file_name) for method in self.methods}


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


def resolve_settings(names: Sequence[str], config: Config) -> dict[str, PairProtocol]:
    """Return protocols by name: presets, or `config` for the evaluation section's own size, budget and suppression."""
    own = config.evaluation
    settings = {}
    for name in names:
        if name == OWN_SETTING:
            protocol = PairProtocol(own.image_shape, own.num_keypoints, own.nms_radius_px, own.distance_px)
            settings["{}x{}-config".format(*own.image_shape)] = protocol
        else:
            settings[name] = PRESETS[name]
    return settings


def run_pairs(
    request: Request, protocol_name: str, make_pairs: MakePairs, num_pairs: int, settings: dict[str, PairProtocol]
) -> PairsEvaluation:
    """Evaluate on image pairs and write everything into the output folder."""
    console = request.console
    check_output(request.output)
    with open_stores(request.features_folder, request.methods, console, request.overwrite) as stores:
        records = _extract_settings(request, make_pairs, num_pairs, settings, stores)
    evaluation = _measure_settings(request, protocol_name, settings, records)
    remove_results(request.output)
    evaluation.save(request.output)
    setting, protocol = list(settings.items())[-1]
    pairs = make_pairs(protocol.image_shape)
    results = evaluation.results[setting]
    examples = draw_pair_examples(pairs, records[setting], request.files, results, protocol)
    figures = pairs_figures(evaluation)
    markdown = pairs_markdown(evaluation) + comparisons_markdown(evaluation)
    _write_report(request, pairs_report(evaluation, examples, figures), markdown, figures, examples)
    return evaluation


def _extract_settings(
    request: Request, make_pairs: MakePairs, num_pairs: int, settings: dict[str, PairProtocol], stores: Stores
) -> dict[str, list[PairRecord]]:
    records, total = {}, 0
    with (
        StopRequest() as stop,
        Progress(num_pairs * len(settings), "eval", "pairs extracted", console=request.console) as progress,
    ):

        def on_pair(computed: int) -> None:
            nonlocal total
            total += computed
            progress.update()
            stop.raise_if_requested(f"{request.output}: stopped after {progress.done} pairs; their features are kept")

        for setting, protocol in settings.items():
            pairs = make_pairs(protocol.image_shape)
            records[setting] = extract_pairs(pairs, setting, protocol, stores, on_pair, request.images_folder)
            report_dropped(stores, request.console)
    request.console.line("eval", f"extractions: {total} computed, all others were there | {request.features_folder}")
    if request.left_out:
        request.console.line("eval", f"left out: {len(request.left_out)} | {'; '.join(request.left_out[:5])}")
    return records


def _measure_settings(
    request: Request, protocol_name: str, settings: dict[str, PairProtocol], records: dict[str, list[PairRecord]]
) -> PairsEvaluation:
    results, budgets = {}, {}
    rounds = sum(len(records[name]) * (1 + len(smaller_budgets(p))) for name, p in settings.items())
    progress = Progress(rounds * len(request.methods), "eval", "rows measured", console=request.console)
    with _pool(request.config) as pool, progress:
        for name, protocol in settings.items():
            results[name] = measure_records(records[name], request.files, protocol, pool, progress.update)
            budgets[name] = measure_budgets(records[name], request.files, protocol, pool, progress.update)
    identities = {method.name: method.identity for method in request.methods}
    facts = request.facts | {"left_out": request.left_out}
    return PairsEvaluation(protocol_name, facts, identities, settings, results, budgets, request.compared)


def run_shapes(request: Request, num_a_primitive: int) -> ShapesEvaluation:
    """Evaluate on the synthetic test set, clean and noisy, and write everything into the output folder."""
    config, console = request.config, request.console
    check_output(request.output)
    protocol = shapes_protocol(config.synthetic.draw.image_shape)
    setting = "{}x{}".format(*protocol.image_shape)
    count = num_a_primitive * len(drawn_primitives(config.synthetic.draw))
    with _pool(config) as pool:
        records = _extract_shapes(request, setting, protocol, draw_shapes(config, "test", num_a_primitive, pool), count)
        with Progress(len(CONDITIONS) * len(request.methods), "eval", "rows measured", console=console) as progress:
            results = measure_shapes(records, request.files, protocol, pool, progress.update)
    names = list(request.files)
    evaluation = ShapesEvaluation(
        request.facts,
        protocol,
        {method.name: method.identity for method in request.methods},
        {condition: {name: results[condition, name].precision for name in names} for condition in CONDITIONS},
        {condition: {name: results[condition, name].localization_px for name in names} for condition in CONDITIONS},
        [line for condition in CONDITIONS for name in names for line in results[condition, name].pictures],
    )
    remove_results(request.output)
    evaluation.save(request.output)
    examples = draw_shape_examples(draw_shapes(config, "test", 1), records, request.files, protocol)
    figures = shapes_figures(evaluation)
    _write_report(request, shapes_report(evaluation, examples, figures), shapes_markdown(evaluation), figures, examples)
    return evaluation


def _extract_shapes(
    request: Request, setting: str, protocol: PairProtocol, shapes: Iterator[Shape], count: int
) -> list[ShapeRecord]:
    records = []
    with open_stores(request.features_folder, request.methods, request.console, request.overwrite) as stores:
        for _, store in stores:
            store.open_setting(setting, protocol)
        report_dropped(stores, request.console)
        with (
            StopRequest() as stop,
            Progress(count, "eval", "shapes extracted, clean and noisy", console=request.console) as progress,
        ):
            for shape in shapes:
                records.append(extract_shape(shape, setting, protocol, stores, request.images_folder))
                progress.update()
                stop.raise_if_requested(f"{request.output}: stopped after {progress.done} shapes; features are kept")
    return records


@contextlib.contextmanager
def _pool(config: Config) -> Iterator[Pool]:
    pool = start_pool(config.workers)
    try:
        yield pool
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _write_report(
    request: Request, page: str, markdown: str, figures: dict[str, np.ndarray], examples: Sequence[Example]
) -> None:
    folder = Path(request.output)
    for name, figure in figures.items():
        save_png(folder / "figures" / f"{name}.png", figure)
    for number, example in enumerate(examples):
        save_png(folder / "figures" / f"example_{number:02d}.png", example.picture)
    storage.write_bytes(folder / "table.md", markdown.encode())
    storage.write_bytes(folder / "report.html", page.encode())
    request.console.line("eval", f"{folder}/report.html | table.md | summary.json | figures/")


def describe_run(protocol: str, data: str, config: Config, command: str) -> dict[str, Any]:
    """Return what a reader of the results needs to repeat the run."""
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
        **_sampling(protocol, config),
    }


def _sampling(protocol: str, config: Config) -> dict[str, Any]:
    if protocol == "random-homography":
        return {
            "homography": config_to_dict(config.evaluation.homography),
            "photometric": config_to_dict(config.photographs.photometric),
        }
    if protocol == "synthetic":
        sections = (config.synthetic.draw, config.synthetic.photometric)
        return dict(zip(("draw", "photometric"), map(config_to_dict, sections), strict=True))
    return {}
