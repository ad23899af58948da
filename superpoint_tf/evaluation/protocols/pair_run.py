"""One run over pairs of images: features to disk at each setting, measures from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from superpoint_tf.config import Config
from superpoint_tf.evaluation.evaluate import Request, open_pool, open_request
from superpoint_tf.evaluation.extraction import PairRecord, extract_pairs, report_dropped
from superpoint_tf.evaluation.frame_extraction import FrameExtraction
from superpoint_tf.evaluation.pair_protocol import PRESETS, PairProtocol
from superpoint_tf.evaluation.pair_tasks import measure_budgets, measure_records, smaller_budgets
from superpoint_tf.evaluation.pairs import MakePairs
from superpoint_tf.evaluation.protocols.examples import draw_pair_examples
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.results import Example
from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Progress

OWN_SETTING = "config"


def resolve_settings(names: Sequence[str], config: Config) -> dict[str, PairProtocol]:
    """Return protocols by name: presets, or `config` for the evaluation section's own size, budget and suppression."""
    own = config.evaluation
    settings = {}
    for name in names:
        if name == OWN_SETTING:
            settings["{}x{}-config".format(*own.image_shape)] = PairProtocol.of(own)
        else:
            settings[name] = PRESETS[name]
    return settings


def measure_pairs(
    request: Request, name: str, make_pairs: MakePairs, num_pairs: int, settings: Mapping[str, PairProtocol]
) -> MeasuredPairs:
    """Measure the methods on the pairs of one set at each setting, and at smaller budgets."""
    records, computed = extract_settings(request, make_pairs, num_pairs, settings)
    request.console.line("eval", f"extractions: {computed} computed, all others were there | {request.features_folder}")
    request.say_left_out()
    results, budgets = {}, {}
    rounds = sum(len(records[setting]) * (1 + len(smaller_budgets(p))) for setting, p in settings.items())
    progress = Progress(rounds * len(request.methods), "eval", "rows measured", console=request.console)
    with open_pool(request.config) as pool, progress:
        for setting, protocol in settings.items():
            results[setting] = measure_records(records[setting], request.files, protocol, pool, progress.update)
            budgets[setting] = measure_budgets(records[setting], request.files, protocol, pool, progress.update)

    def draw() -> list[Example]:
        setting, protocol = list(settings.items())[-1]
        pairs, groups = make_pairs(protocol.image_shape), PAIR_SETS[name].groups
        return draw_pair_examples(pairs, records[setting], request.files, results[setting], protocol, groups)

    return MeasuredPairs(
        name, request.all_facts, request.identities, dict(settings), results, budgets, request.compared, draw
    )


def extract_settings(
    request: Request,
    make_pairs: MakePairs,
    num_pairs: int,
    settings: Mapping[str, PairProtocol],
    describe: bool = True,
) -> tuple[dict[str, list[PairRecord]], int]:
    """Extract every pair at each setting; return the records by setting and the number of frames really computed."""
    records: dict[str, list[PairRecord]] = {}
    total = 0
    with (
        open_request(request) as stores,
        StopRequest() as stop,
        Progress(
            num_pairs * len(settings),
            "eval",
            "pairs extracted",
            console=request.console,
            in_bursts=request.on is not None,
        ) as progress,
    ):
        for setting, protocol in settings.items():
            how = FrameExtraction(setting, protocol, stores, describe, request.images_folder, request.on)
            records[setting] = []
            for record, computed in extract_pairs(make_pairs(protocol.image_shape), how, stop, request.stopped):
                records[setting].append(record)
                total += computed
                progress.update()
            report_dropped(stores, request.console)
    return records, total
