"""One run over synthetic shapes: features to disk, clean and noisy, measures from disk."""

from __future__ import annotations

from collections.abc import Iterator

from superpoint_tf.data.shapes.synthetic_sets import drawn_primitives
from superpoint_tf.evaluation.evaluate import Request, open_pool, open_request
from superpoint_tf.evaluation.extraction import report_dropped
from superpoint_tf.evaluation.frame_extraction import FrameExtraction, extract_frames
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.examples import draw_shape_examples
from superpoint_tf.evaluation.protocols.shape_results import MeasuredShapes
from superpoint_tf.evaluation.protocols.shapes import (
    CONDITIONS,
    Shape,
    ShapeRecord,
    draw_shapes,
    measure_shapes,
    record_of_shape,
    shapes_protocol,
    views_of_shape,
)
from superpoint_tf.evaluation.shape_measures import SHAPE_MEASURES
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Progress


def measure_synthetic(request: Request, num_a_primitive: int) -> MeasuredShapes:
    """Measure detectors on the synthetic test set, clean and noisy."""
    config, files = request.config, request.files
    protocol = shapes_protocol(config.synthetic.draw.image_shape)
    setting = "{}x{}".format(*protocol.image_shape)
    count = num_a_primitive * len(drawn_primitives(config.synthetic.draw))
    with open_pool(config) as pool:
        records = _extract_shapes(request, setting, protocol, draw_shapes(config, "test", num_a_primitive, pool), count)
        total = len(CONDITIONS) * len(request.methods)
        with Progress(total, "eval", "rows measured", console=request.console) as progress:
            results = measure_shapes(records, files, protocol, pool, progress.update)
    return MeasuredShapes(
        request.facts,
        protocol,
        request.identities,
        {
            measure: {
                condition: {name: results[condition, name].values[measure] for name in files}
                for condition in CONDITIONS
            }
            for measure in SHAPE_MEASURES
        },
        [line for condition in CONDITIONS for name in files for line in results[condition, name].pictures],
        lambda: draw_shape_examples(draw_shapes(config, "test", 1), records, files, protocol),
    )


def _extract_shapes(
    request: Request, setting: str, protocol: PairProtocol, shapes: Iterator[Shape], count: int
) -> list[ShapeRecord]:
    records = []
    with open_request(request) as stores:
        for _, store in stores:
            store.open_setting(setting, protocol)
        report_dropped(stores, request.console)
        with (
            StopRequest() as stop,
            Progress(
                count,
                "eval",
                "shapes extracted, clean and noisy",
                console=request.console,
                in_bursts=request.on is not None,
            ) as progress,
        ):
            how = FrameExtraction(setting, protocol, stores, False, request.images_folder, request.on)
            for shape, _ in extract_frames(shapes, views_of_shape, how, stop, request.stopped):
                records.append(record_of_shape(shape, setting))
                progress.update()
    return records
