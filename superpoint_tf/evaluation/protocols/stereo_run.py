"""One run of the protocol `stereo`: every method matches every pair of a folder, and is compared with its truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.stereo.stereo_folders import PairFiles, find_pairs
from superpoint_tf.data.stereo.stereo_pair import StereoPair
from superpoint_tf.drawing.layout import side_by_side
from superpoint_tf.evaluation.disparity_measures import MeasuredDisparities
from superpoint_tf.evaluation.evaluate import Request, check_output
from superpoint_tf.evaluation.methods.stereo_methods import StereoMethod
from superpoint_tf.evaluation.protocols.stereo_results import MeasuredStereo, StereoResult
from superpoint_tf.evaluation.results import Example
from superpoint_tf.runtime.progress import Progress
from superpoint_tf.stereo.coloured import colour_disparity

_STEP = 8  # ranges of disparities are multiples of it


def measure_stereo(request: Request, methods: Sequence[StereoMethod]) -> MeasuredStereo:
    """Measure methods on the pairs of the folder; raises ValueError naming it, or if none of them can be read.

    `--num` disparities are looked at, else as many as the pair's calibration says, else the least multiple of 8 above
    its largest true one.
    """
    check_output(request.output)
    files = find_pairs(request.data, request.config.photographs.stretch)
    progress = Progress(len(files) * len(methods), "eval", "rows measured", console=request.console)
    results: list[StereoResult] = []
    examples: list[Example] = []
    for each in files:
        try:
            pair = each.read()
        except PhotographError as error:
            request.left_out.append(str(error))
            continue
        count = request.num or num_disparities(each, pair)
        panels = [colour_disparity(pair.disparity, count)]
        for method in methods:
            found = method.match(pair.left, pair.right, count)
            measured = MeasuredDisparities.of(found, pair.disparity, pair.occluded)
            results.append(StereoResult(each.name, method.name, count, measured))
            panels.append(colour_disparity(found, count))
            progress.update(1)
        titles = ["truth", *(method.name for method in methods)]
        examples.append(Example(f"{each.name}: disparities", side_by_side(panels, titles)))
    request.say_left_out()
    if not results:
        raise ValueError(f"none of {len(files)} pairs can be read: {'; '.join(request.left_out[:3])}")
    identities = {method.name: method.identity for method in methods}
    return MeasuredStereo(request.all_facts, identities, results, examples)


def num_disparities(files: PairFiles, pair: StereoPair) -> int:
    """Return how many disparities of a pair are looked at."""
    if stated := files.stated_disparities():
        return stated
    known = pair.disparity[np.isfinite(pair.disparity)]
    return _STEP * (int(known.max(initial=0.0)) // _STEP + 1)
