"""Photographs as scenes of planes: both views and their points are made as the picture is read."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from superpoint_tf.config import Config, PlanesConfig
from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings, take_unlabelled
from superpoint_tf.data.photographs.numbered_photographs import NumberedPhotographs
from superpoint_tf.data.photographs.photograph_pairs import second_picture
from superpoint_tf.data.photometric import worker_change
from superpoint_tf.data.photometric_backends import pending_change
from superpoint_tf.data.planes import corresponding_points, planes_pair


class PlanePairs(NumberedPhotographs):
    """Pairs of views of photographs cut into planes, with points that correspond."""

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str], key: int) -> None:
        super().__init__(image_root, photographs, key)
        self._settings, self._planes = RenderSettings.of(config, key, image_root), config.dense.planes
        self.pending = pending_change(self._settings.photometric, ["images", "images1"])
        self._appearance, self.points_per_pair = config.dense.appearance, config.dense.points_per_pair
        self.image_shape = self.picture_shape = self._settings.sample_shape
        self.description = f"{len(photographs)} photographs of {image_root} as scenes of planes"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return [(number, self.picture_name(number), self._index(number)) for number in numbers]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_planes, self._settings, self._planes, self.points_per_pair, self._appearance)


def render_planes(
    settings: RenderSettings, planes: PlanesConfig, count: int, appearance: str, payloads: list[Any]
) -> Batch:
    """Return the batch of samples (number, photograph, which photograph).

    It holds `numbers` and `pictures` int64 (B,), `images` and `images1` uint8 (B, H, W), `points0/1` float32
    (B, count, 2), row by row the same place, NaN where fewer are seen in both, and `mask1` bool (B, H, W).
    """
    rows = [_plane_sample(settings, planes, count, appearance, number, path) for number, path, _ in payloads]
    batch = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    names = {"numbers": 0, "pictures": 2}
    return batch | {name: np.array([payload[at] for payload in payloads], np.int64) for name, at in names.items()}


def _plane_sample(
    settings: RenderSettings, planes: PlanesConfig, count: int, appearance: str, number: int, path: str
) -> Batch:
    picture = take_unlabelled(settings, number, settings.reading.read(path)).picture
    second = second_picture(picture, settings, number, appearance)
    pair = planes_pair(picture, planes, settings.key, number, second)
    points0, points1 = corresponding_points(pair, count, settings.key, number)
    first = worker_change(picture, settings.photometric, settings.key, number, 0)
    return {"images": first, "images1": pair.image1, "points0": points0, "points1": points1, "mask1": ~pair.filled1}
