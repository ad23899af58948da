"""One run of the protocol `shifts`: features to disk, the distances of partners from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.pair_protocol import DETECTOR_PROTOCOL
from superpoint_tf.evaluation.pair_tasks import measure_records
from superpoint_tf.evaluation.protocols.pair_run import extract_settings
from superpoint_tf.evaluation.protocols.shift_results import MeasuredShifts
from superpoint_tf.evaluation.protocols.shifts import DIRECTIONS_XY, SHIFTS_PX, measure_shift, shifted_pairs

SETTING = "240x320"


def measure_shifts(request: Request, photographs: Sequence[str | Path], num: int) -> MeasuredShifts:
    """Measure the methods on `num` of the photographs, chosen by the seed; raises ValueError if none can be read."""
    order = stream_generator(Stream.SHIFTS_ORDER, request.config.seed, 0).permutation(len(photographs))[:num]
    chosen = [photographs[index] for index in order]
    extracted, _ = extract_settings(
        request,
        lambda image_shape: shifted_pairs(
            chosen, image_shape, left_out=request.left_out, stretch=request.config.photographs.stretch
        ),
        len(chosen) * len(SHIFTS_PX) * len(DIRECTIONS_XY),
        {SETTING: DETECTOR_PROTOCOL},
        describe=False,
    )
    request.say_left_out()
    if not extracted[SETTING]:
        raise ValueError(f"none of {len(order)} photographs can be read: {'; '.join(request.left_out[:3])}")
    results = [
        result
        for method, path in request.files.items()
        for result in measure_records(
            extracted[SETTING], {method: path}, DETECTOR_PROTOCOL, None, measure=measure_shift
        )
    ]
    return MeasuredShifts(request.all_facts, SETTING, DETECTOR_PROTOCOL, request.identities, results)
