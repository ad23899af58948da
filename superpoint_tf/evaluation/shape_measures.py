"""Every measure of detections on synthetic shapes in one table: a new one is a row here.

Values are of all pictures of a primitive together: detections are pooled, not averaged picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.measures import HIGH, LOW, Column


@dataclass(frozen=True)
class ShapeMeasure(Column):
    """One measure of the detections of several pictures, compared with the corners that were drawn."""

    of: Callable[[Sequence[metrics.Judged]], float] = lambda pictures: float("nan")
    name: str = ""  # in full
    meaning: str = ""  # a paragraph of the report; may say {within} and {suppression}


AVERAGE_PRECISION = "average_precision"  # the first, which is shown primitive by primitive
SHAPE_MEASURES: dict[str, ShapeMeasure] = {
    AVERAGE_PRECISION: ShapeMeasure(
        "AP",
        3,
        HIGH,
        metrics.pooled_precision,
        "average precision",
        "Detections, after suppression within {suppression} and without a threshold, are ranked by score over all "
        "pictures of the primitive. One is right if it is within {within} of a true corner that no stronger one has "
        "taken. The area under the curve of precision over recall.",
    ),
    "localization_px": ShapeMeasure(
        "loc px",
        2,
        LOW,
        metrics.pooled_localization_error,
        "localization error in pixels",
        "The mean distance of the right detections from their corners. Less is better.",
    ),
}


def values_of_shapes(pictures: Sequence[metrics.Judged]) -> dict[str, float]:
    """Return every measure of the detections of these pictures together."""
    return {name: measure.of(pictures) for name, measure in SHAPE_MEASURES.items()}
