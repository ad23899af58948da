"""Photographs without labels as training samples: two photometric views of a part of each, and no keypoints."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings, stack_views, take_part
from superpoint_tf.data.photographs.numbered_photographs import NumberedPhotographs
from superpoint_tf.data.photographs.reading import read_photograph


class PhotographPairs(NumberedPhotographs):
    """Pairs of photometric views of photographs; points are drawn where the views are made."""

    with_pairs, with_known, with_frames = True, False, False

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str], key: int) -> None:
        super().__init__(image_root, photographs, key)
        self._settings = RenderSettings.of(config, key)
        self.image_shape, self.picture_shape = self._settings.sample_shape, self._settings.picture_shape
        self.description = f"{len(photographs)} photographs of {image_root}"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return [(number, self.picture_name(number), self._index(number)) for number in numbers]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_pairs, self._settings)


def render_pairs(settings: RenderSettings, payloads: list[Any]) -> Batch:
    """Return the batch of samples (number, photograph, which photograph), as `Source.render` says."""
    nothing = np.zeros((0, 2), np.float32), np.ones(settings.image_shape, bool)
    samples = [take_part(settings, number, read_photograph(path), *nothing) for number, path, _ in payloads]
    return stack_views(settings, [number for number, *_ in payloads], samples, [index for *_, index in payloads])
