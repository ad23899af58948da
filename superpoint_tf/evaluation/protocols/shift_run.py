"""One run of the protocol `shifts`: features to disk, the distances of partners from disk, the table and the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superpoint_tf.evaluation.evaluate import Request, check_output, remove_results
from superpoint_tf.evaluation.extraction import PairRecord, extract_pairs, open_stores, report_dropped
from superpoint_tf.evaluation.feature_store import read_stored
from superpoint_tf.evaluation.measures import DETECTOR_PROTOCOL, PairProtocol, PairResult
from superpoint_tf.evaluation.protocols.shift_results import ShiftsEvaluation
from superpoint_tf.evaluation.protocols.shifts import DIRECTIONS_XY, SHIFTS_PX, measure_shift, shifted_pairs
from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import open_features
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Progress

SETTING = "240x320"


def run_shifts(request: Request, photographs: Sequence[str | Path], num: int) -> ShiftsEvaluation:
    """Evaluate on `num` of the photographs, chosen by the seed, and write everything into the output folder.

    Raises ValueError if none of them can be read.
    """
    check_output(request.output)
    order = np.random.Generator(np.random.Philox(key=request.config.seed)).permutation(len(photographs))[:num]
    records = _extract(request, [photographs[index] for index in order], DETECTOR_PROTOCOL)
    if not records:
        raise ValueError(f"none of {len(order)} photographs can be read: {'; '.join(request.left_out[:3])}")
    results = [
        result
        for method, path in request.files.items()
        for result in measure_shift_records(method, path, records, DETECTOR_PROTOCOL)
    ]
    identities = {method.name: method.identity for method in request.methods}
    facts = request.facts | {"left_out": request.left_out}
    evaluation = ShiftsEvaluation(facts, SETTING, DETECTOR_PROTOCOL, identities, results)
    remove_results(request.output)
    evaluation.save(request.output)
    request.console.line("eval", f"{request.output}/table.md | summary.json | pairs.csv")
    return evaluation


def _extract(request: Request, photographs: Sequence[str | Path], protocol: PairProtocol) -> list[PairRecord]:
    total = len(photographs) * len(SHIFTS_PX) * len(DIRECTIONS_XY)
    with (
        open_stores(request.features_folder, request.methods, request.console, request.overwrite) as stores,
        StopRequest() as stop,
        Progress(total, "eval", "pairs extracted", console=request.console) as progress,
    ):

        def on_pair(computed: int) -> None:
            progress.update()
            stop.raise_if_requested(f"{request.output}: stopped after {progress.done} pairs; their features are kept")

        pairs = shifted_pairs(photographs, protocol.image_shape, left_out=request.left_out)
        folder = request.images_folder
        records = extract_pairs(pairs, SETTING, protocol, stores, on_pair, folder, describe=False)
        report_dropped(stores, request.console)
    if request.left_out:
        request.console.line("eval", f"left out: {len(request.left_out)} | {'; '.join(request.left_out[:5])}")
    return records


def measure_shift_records(
    method: str, path: str, records: Sequence[PairRecord], protocol: PairProtocol
) -> list[PairResult]:
    """Measure one method, given its feature file, on every pair."""
    results = []
    with open_features(path) as file:
        cached: dict[str, Features] = {}
        for record in records:
            cached = {name: cached.get(name) or read_stored(file, name) for name in record.frames}
            features0, features1 = (cached[name] for name in record.frames)
            values = measure_shift(features0, features1, record.homography_0to1, protocol)
            results.append(PairResult(method, record.name, record.group, values))
    return results
