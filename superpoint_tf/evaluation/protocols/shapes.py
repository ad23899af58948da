"""Synthetic shapes, whose corners are known exactly, clean and noisy: the sets, and detectors measured on them."""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.shapes.synthetic_sets import drawn_primitives, sample_number, synthetic_sample
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.feature_store import read_stored
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.evaluation.results import Row
from superpoint_tf.evaluation.shape_measures import values_of_shapes
from superpoint_tf.features.feature_files import open_features
from superpoint_tf.runtime.workers import ordered_map

CONDITIONS = ("clean", "noisy")
NO_BUDGET = 2**31 - 1


@dataclass(frozen=True)
class Shape:
    """One synthetic picture as drawn and after the photometric change, uint8 (H, W), with its corners (N, 2) xy."""

    name: str
    primitive: str
    images: dict[str, np.ndarray]  # by condition
    keypoints: np.ndarray


def draw_shape(config: Config, split: str, index: int) -> Shape:
    """Return picture `index` of a split, clean and noisy: the change is that of its own sample number."""
    image, keypoints, primitive = synthetic_sample(config, split, index)
    number, _ = sample_number(config, split, index)
    noisy = photometric_change(image, config.synthetic.photometric, config.seed, number)
    name = f"{primitive}/{index // len(drawn_primitives(config.synthetic.draw)):05d}"
    return Shape(name, primitive, {"clean": image, "noisy": noisy}, keypoints)


def draw_shapes(
    config: Config, split: str, num_a_primitive: int, pool: concurrent.futures.Executor | None = None
) -> Iterator[Shape]:
    """Yield that many pictures of each primitive of a split, the primitives in turn."""
    count = num_a_primitive * len(drawn_primitives(config.synthetic.draw))
    yield from ordered_map(pool, functools.partial(draw_shape, config, split), range(count), window=64)


def shapes_protocol(image_shape: tuple[int, int]) -> PairProtocol:
    """Return the setting of shapes: no budget, NMS 4 px, right within 3 px."""
    return PairProtocol(image_shape, NO_BUDGET, nms_radius_px=4)


@dataclass(frozen=True)
class ShapeRecord:
    """A shape without its pixels."""

    name: str
    primitive: str
    frames: dict[str, str]  # key of the feature files, by condition
    keypoints: np.ndarray


def views_of_shape(shape: Shape) -> list[View]:
    """Return the frames that extractors see: the shape under both conditions."""
    return [View(f"{condition}/{shape.name}", image) for condition, image in shape.images.items()]


def record_of_shape(shape: Shape, setting: str) -> ShapeRecord:
    """Return a shape without its pixels."""
    frames = {condition: f"{setting}/{condition}/{shape.name}" for condition in shape.images}
    return ShapeRecord(shape.name, shape.primitive, frames, shape.keypoints)


@dataclass(frozen=True)
class ShapesTask:
    """All shapes under one condition, for one method."""

    method: str
    path: str
    condition: str
    records: tuple[ShapeRecord, ...]
    distance_px: float


@dataclass(frozen=True)
class ShapesResult:
    """One method under one condition: each measure by primitive and `all`, and a line a picture."""

    values: dict[str, dict[str, float]]
    pictures: list[Row]


def measure_shapes(
    records: Sequence[ShapeRecord],
    files: dict[str, str],
    protocol: PairProtocol,
    pool: concurrent.futures.Executor | None,
    on_task: Callable[[], None] = lambda: None,
) -> dict[tuple[str, str], ShapesResult]:
    """Return the result of each (condition, method)."""
    tasks = [
        ShapesTask(method, path, condition, tuple(records), protocol.distance_px)
        for condition in CONDITIONS
        for method, path in files.items()
    ]
    results = {}
    for task, result in zip(tasks, ordered_map(pool, measure_shapes_task, tasks, window=4), strict=True):
        results[task.condition, task.method] = result
        on_task()
    return results


def measure_shapes_task(task: ShapesTask) -> ShapesResult:
    """Measure one method under one condition; runs in a worker process."""
    judged: list[tuple[str, metrics.Judged]] = []
    pictures: list[Row] = []
    with open_features(task.path) as file:
        for record in task.records:
            features = read_stored(file, record.frames[task.condition])
            picture = metrics.judge_detections(features.keypoints, features.scores, record.keypoints, task.distance_px)
            judged.append((record.primitive, picture))
            pictures.append(_picture_row(task, record, picture))
    by_primitive = {
        name: values_of_shapes([p for primitive, p in judged if name in ("all", primitive)])
        for name in dict.fromkeys(["all", *(primitive for primitive, _ in judged)])
    }
    values = {
        measure: {name: found[measure] for name, found in by_primitive.items()} for measure in by_primitive["all"]
    }
    return ShapesResult(values, pictures)


def _picture_row(task: ShapesTask, record: ShapeRecord, picture: metrics.Judged) -> Row:
    return {
        "condition": task.condition,
        "primitive": record.primitive,
        "picture": record.name,
        "method": task.method,
        "keypoints": float(len(picture.scores)),
        "corners": float(picture.num_truth),
        "found": float(picture.correct.sum()),
    }
