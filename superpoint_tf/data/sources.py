"""Where training pictures come from: sample number n of a source is the same picture and keypoints in every run.

A source turns numbers into payloads in the main process (cheap) and payloads into arrays in a worker (drawing,
decoding, photometric change). Nothing here imports TensorFlow, so that workers start at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from superpoint_tf.config import Config, PhotometricConfig
from superpoint_tf.data.labels.labels import label_path
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings, read_labelled, render_photographs
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.sample_batch import Batch, pad_keypoints, stack_samples
from superpoint_tf.data.shapes.synthetic_sets import synthetic_sample
from superpoint_tf.runtime import storage

__all__ = [
    "Batch",
    "GeneratedShapes",
    "LabelledPhotographs",
    "RecordedShapes",
    "Source",
    "index_of_sample",
    "pad_keypoints",
]

_NUM_CHECKED = 8  # photographs that are compared with their labels before training


class Source(Protocol):
    """Numbered training pictures."""

    description: str
    key: int  # of the stage: what is drawn of a sample's number (`random_streams`)
    image_shape: tuple[int, int]  # of the frame: of the views, and of the keypoints' pixels
    picture_shape: tuple[int, int]  # of the pictures handed over: as many pixels, or more
    with_pairs: bool
    with_known: bool

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        """Return what a worker needs to render the samples of these numbers."""
        ...

    def picture_name(self, number: int) -> str:
        """Say which picture sample `number` is, for messages."""
        ...

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        """Return a picklable function from payloads to a batch.

        The batch holds `numbers` int64 (B,), `images` uint8 (B, *picture_shape), `keypoints` float32 (B, K, 2) xy of
        the frame padded with NaN; for pairs `images1`, the same pictures under another photometric change; with
        `with_known` `known` bool (B, *image_shape), where the labels can tell; where the pictures have more pixels than
        the frame `picture_to_frame` float64 (B, 3, 3), from their pixels to the frame's.
        """
        ...


@functools.lru_cache(maxsize=4)
def _epoch_order(key: int, epoch: int, count: int) -> np.ndarray:
    return stream_generator(Stream.ORDER, key, epoch).permutation(count)


def index_of_sample(key: int, number: int, count: int) -> int:
    """Return which of `count` items sample `number` is; every epoch is a permutation of its own."""
    epoch, position = divmod(number, count)
    return int(_epoch_order(key, epoch, count)[position])


# ------------------------------------------------------------------------------------------------ synthetic shapes


class GeneratedShapes:
    """Synthetic shapes straight from the generator: never the same picture twice.

    Drawn by the config's seed, whatever the stage; changed by its `key`, by default the seed.
    """

    with_pairs = with_known = False

    def __init__(self, config: Config, key: int | None = None) -> None:
        self.key = config.seed if key is None else key
        self.image_shape = self.picture_shape = config.synthetic.draw.image_shape
        self.description = "synthetic shapes, drawn as they are needed"
        self._config = config

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
        images.append(photometric_change(image, config.synthetic.photometric, key, number))
        keypoints.append(points)
    return stack_samples(numbers, images, keypoints)


class RecordedShapes:
    """Synthetic shapes from the files that generate_synthetic.py wrote, in a new order every epoch."""

    with_pairs = with_known = False

    def __init__(self, config: Config, key: int | None = None) -> None:
        from superpoint_tf.data.shapes.record_writer import (
            SyntheticRecords,  # needs TensorFlow; workers import this module too
        )

        self._records = SyntheticRecords(config.synthetic.root, "train")
        self._config, self.key = config, config.seed if key is None else key
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
    images = [photometric_change(image, photometric, key, n) for n, image in zip(numbers, images, strict=True)]
    return stack_samples(numbers, images, keypoints)


# ------------------------------------------------------------------------------------------------ photographs


class LabelledPhotographs:
    """Photographs with the pseudo-labels of one round of adaptation; `with_pairs` gives two photometric views."""

    with_known = True

    def __init__(
        self,
        config: Config,
        image_root: str,
        photographs: Sequence[str],
        labels: str,
        round: int,
        with_pairs: bool,
        key: int | None = None,
    ) -> None:
        if not photographs:
            raise ValueError(
                f"{labels}: round {round} has no labelled photographs; run tools/homographic_adapt.py again"
            )
        self._config, self._photographs = config, tuple(photographs)
        self._image_root, self._labels, self._round = image_root, labels, round
        self.with_pairs, self.key = with_pairs, config.seed if key is None else key
        self._settings = RenderSettings.of(config, self.key)
        self.image_shape, self.picture_shape = self._settings.sample_shape, self._settings.picture_shape
        self.description = (
            f"{len(photographs)} photographs of {image_root} with the labels of round {round} in {labels}"
        )

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        result = []
        for number in numbers:
            name = self._name(number)
            path = storage.join(self._image_root, name)
            result.append((number, path, label_path(self._labels, self._round, name)))
        return result

    def check_photographs(self) -> None:
        """Compare some photographs with their labels now: those of another image set should not wait for their turn.

        Raises what rendering would raise.
        """
        for index in np.linspace(0, len(self._photographs) - 1, _NUM_CHECKED).round().astype(int):
            name = self._photographs[index]
            path = storage.join(self._image_root, name)
            read_labelled(self._config.photographs.image_shape, path, label_path(self._labels, self._round, name))

    def picture_name(self, number: int) -> str:
        return storage.join(self._image_root, self._name(number))

    def _name(self, number: int) -> str:
        return self._photographs[index_of_sample(self.key, number, len(self._photographs))]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_photographs, self._settings, self.with_pairs)
