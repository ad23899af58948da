"""Photographs without labels as training samples: two photometric views of a part of each, and no keypoints."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.appearance import change_appearance
from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings, Sample, stack_views, take_unlabelled
from superpoint_tf.data.photographs.numbered_photographs import NumberedPhotographs
from superpoint_tf.data.photometric import worker_change
from superpoint_tf.data.photometric_backends import pending_change

CHANGED = "changed"  # `dense.appearance`: another light is not all


class PhotographPairs(NumberedPhotographs):
    """Pairs of photometric views of photographs; points are drawn where the views are made."""

    with_pairs, with_frames = True, False

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str], key: int) -> None:
        super().__init__(image_root, photographs, key)
        self._settings = RenderSettings.of(config, key, image_root)
        self.pending = pending_change(self._settings.photometric, ["images", "images1"])
        self._appearance = config.dense.appearance if config.train == "dense" else ""
        self.image_shape, self.picture_shape = self._settings.sample_shape, self._settings.picture_shape
        self.with_known = self.picture_shape != self.image_shape  # it tells the frame's shape
        self.description = f"{len(photographs)} photographs of {image_root}"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return [(number, self.picture_name(number), self._index(number)) for number in numbers]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_pairs, self._settings, self._appearance)


def render_pairs(settings: RenderSettings, appearance: str, payloads: list[Any]) -> Batch:
    """Return the batch of samples (number, photograph, which photograph), as `Source.render` says."""
    samples = [take_unlabelled(settings, number, settings.reading.read(path)) for number, path, _ in payloads]
    numbers = [number for number, *_ in payloads]
    batch = stack_views(settings, numbers, samples, [index for *_, index in payloads])
    add_known(batch, settings, samples)
    if appearance == CHANGED:
        named = zip(numbers, samples, strict=True)
        batch["images1"] = np.stack([second_picture(s.picture, settings, number, CHANGED) for number, s in named])
    return batch


def add_known(batch: Batch, settings: RenderSettings, samples: Sequence[Sample]) -> None:
    """Add the known areas to a batch whose pictures have more pixels than the frame: they have the frame's shape."""
    if settings.picture_shape != settings.sample_shape:
        batch["known"] = np.stack([sample.known for sample in samples])


def second_picture(picture: np.ndarray, settings: RenderSettings, number: int, appearance: str) -> np.ndarray:
    """Return how sample `number` shows a picture uint8 (H, W) the second time, before any warp."""
    if appearance == CHANGED:
        picture = change_appearance(picture, settings.key, number)
    return worker_change(picture, settings.photometric, settings.key, number, 1)
