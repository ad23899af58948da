"""One run of the protocol `pck`: every method describes both pictures of a pair, and its points are looked for."""

from __future__ import annotations

from collections.abc import Sequence

from superpoint_tf.evaluation.evaluate import Request, check_output
from superpoint_tf.evaluation.methods.dense_method import DenseMethod
from superpoint_tf.evaluation.pck_measures import values_of
from superpoint_tf.evaluation.pck_metrics import nearest_places
from superpoint_tf.evaluation.protocols.pck_results import MeasuredDense, PckExample, PckResult
from superpoint_tf.evaluation.sets.dense_pairs import DEFAULT_NUM, DensePair, open_dense_pairs
from superpoint_tf.runtime.progress import Progress

SHAPES = {"240x320": (240, 320), "480x640": (480, 640)}
DEFAULT_PRESET = "240x320"
_SHOWN_POINTS = 60  # of an example


def measure_pck(request: Request, methods: Sequence[DenseMethod]) -> MeasuredDense:
    """Measure methods on the folder's pairs; raises ValueError naming the folder, or where no pair has a point."""
    check_output(request.output)
    name, *others = request.presets or (DEFAULT_PRESET,)
    if others or name not in SHAPES:
        raise ValueError(f"--presets {' '.join(request.presets)}: pck takes one of {', '.join(SHAPES)}")
    pairs, count = open_dense_pairs(
        request.data, request.config, SHAPES[name], request.num or DEFAULT_NUM, request.left_out
    )
    results: list[PckResult] = []
    examples: dict[str, list[PckExample]] = {}
    progress = Progress(count, "eval", "pairs measured", console=request.console)
    for pair in pairs:
        found = [_measure(pair, method) for method in methods if len(pair.points0)]
        results += [result for result, _ in found]
        examples.setdefault(pair.group, [example for _, example in found])
        progress.update(1)
    request.say_left_out()
    if not results:
        raise ValueError(f"{request.data}: no pair has a point that both views show")
    identities = {method.name: method.identity for method in methods}
    return MeasuredDense(request.all_facts, identities, SHAPES[name], results, examples)


def _measure(pair: DensePair, method: DenseMethod) -> tuple[PckResult, PckExample]:
    map0, map1 = (method.describe(image) for image in (pair.image0, pair.image1))
    found = nearest_places(map0, map1, pair.points0)
    values = values_of(found, pair.points1, pair.image0.shape)
    result = PckResult(pair.group, pair.name, method.name, map0.stride_px, len(found), values)
    return result, PckExample(method.name, pair._replace(points0=pair.points0[:_SHOWN_POINTS]), found[:_SHOWN_POINTS])
