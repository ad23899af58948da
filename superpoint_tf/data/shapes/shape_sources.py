"""Synthetic shapes as training pictures: straight from the generator, or from the files that it wrote."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from superpoint_tf.config import Config, PhotometricConfig
from superpoint_tf.data.batches.batch import Batch, stack_samples
from superpoint_tf.data.photometric import worker_change
from superpoint_tf.data.photometric_backends import pending_change
from superpoint_tf.data.shapes.record_reader import SyntheticRecords
from superpoint_tf.data.shapes.synthetic_sets import synthetic_sample
from superpoint_tf.data.sources import index_of_sample


class GeneratedShapes:
    """Synthetic shapes straight from the generator: never the same picture twice.

    Drawn by the config's seed, whatever the stage; changed by its `key`, by default the seed.
    """

    with_pairs = with_known = with_frames = False

    def __init__(self, config: Config, key: int | None = None) -> None:
        self.key = config.seed if key is None else key
        self.image_shape = self.picture_shape = config.synthetic.draw.image_shape
        self.description = "synthetic shapes, drawn as they are needed"
        self._config, self.pending = config, pending_change(config.synthetic.photometric, ["images"])

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return list(numbers)

    def picture_name(self, number: int) -> str:
        return f"synthetic shape {number}"

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(_render_generated, self._config, self.key)


def _render_generated(config: Config, key: int, numbers: list[int]) -> Batch:
    images, keypoints = [], []
    for number in numbers:
        image, points, _ = synthetic_sample(config, "train", number)
        images.append(worker_change(image, config.synthetic.photometric, key, number))
        keypoints.append(points)
    return stack_samples(numbers, images, keypoints)


class RecordedShapes:
    """Synthetic shapes from the files that generate_synthetic.py wrote, in a new order every epoch."""

    with_pairs = with_known = with_frames = False

    def __init__(self, config: Config, key: int | None = None) -> None:
        self._records = SyntheticRecords(config.synthetic.root, "train")
        self._config, self.key = config, config.seed if key is None else key
        self.pending = pending_change(config.synthetic.photometric, ["images"])
        self.image_shape = self.picture_shape = config.synthetic.draw.image_shape
        self.description = f"{len(self._records)} synthetic shapes from {config.synthetic.root}"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        count = len(self._records)
        return [(n, *self._records[index_of_sample(self.key, n, count)][:2]) for n in numbers]

    def picture_name(self, number: int) -> str:
        index = index_of_sample(self.key, number, len(self._records))
        return f"picture {index} of {self._config.synthetic.root}"

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(_render_recorded, self._config.synthetic.photometric, self.key)


def _render_recorded(photometric: PhotometricConfig, key: int, samples: list[Any]) -> Batch:
    numbers, images, keypoints = (list(column) for column in zip(*samples, strict=True))
    images = [worker_change(image, photometric, key, n) for n, image in zip(numbers, images, strict=True)]
    return stack_samples(numbers, images, keypoints)
