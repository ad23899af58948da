"""Stereo pairs as training samples: sample n of a key is the same pair in every run, drawn or a part of a read one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from superpoint_tf.config import Config, PhotometricConfig
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.photographs.numbered_photographs import NumberedPhotographs
from superpoint_tf.data.photographs.reading import read_photograph
from superpoint_tf.data.photometric_backends import PendingChange, pending_change
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.sources import NumberedSource, index_of_sample
from superpoint_tf.data.stereo.drawn_pairs import draw_pair
from superpoint_tf.data.stereo.stereo_folders import PairFiles
from superpoint_tf.data.stereo.stereo_pair import StereoPair


class StereoSource(NumberedSource, Protocol):
    """Numbered pairs of one shape."""

    image_shape: tuple[int, int]


@dataclass(frozen=True)
class DrawSettings:
    """What a worker needs of the config to draw pairs."""

    image_shape: tuple[int, int]
    largest_px: float
    photometric: PhotometricConfig
    key: int
    stretch: str = NO_STRETCH

    @classmethod
    def of(cls, config: Config, key: int) -> DrawSettings:
        """Take the settings from a config."""
        section = config.photographs
        return cls(section.image_shape, config.stereo.max_disparity_px, section.photometric, key, section.stretch)


class DrawnPairs(NumberedPhotographs):
    """Pairs that are drawn from photographs; what fills them is the photograph of the next sample."""

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str], key: int) -> None:
        super().__init__(image_root, photographs, key)
        self._settings = DrawSettings.of(config, key)
        self.pending = pending_change(self._settings.photometric, ["images0", "images1"])
        self.image_shape = config.photographs.image_shape
        self.description = f"stereo pairs drawn from {len(photographs)} photographs of {image_root}"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return [(number, self.picture_name(number), self.picture_name(number + 1)) for number in numbers]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_drawn, self._settings)


class ReadPairs:
    """Pairs of a folder with ground truth, a random part of one each."""

    pending: PendingChange | None = None

    def __init__(self, image_shape: tuple[int, int], pairs: Sequence[PairFiles], key: int, description: str) -> None:
        self.image_shape, self._pairs, self.key, self.description = image_shape, tuple(pairs), key, description

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return [(number, self._pairs[self._index(number)]) for number in numbers]

    def picture_name(self, number: int) -> str:
        """Return the path of the left picture that sample `number` shows."""
        return str(self._pairs[self._index(number)].left)

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_read, self.image_shape, self.key)

    def _index(self, number: int) -> int:
        return index_of_sample(self.key, number, len(self._pairs))


def render_drawn(settings: DrawSettings, payloads: list[Any]) -> Batch:
    """Return the batch of samples (number, photograph, another photograph); see `stack_pairs`."""
    return stack_pairs([number for number, *_ in payloads], [drawn(settings, *payload) for payload in payloads])


def drawn(settings: DrawSettings, number: int, path: str, filler: str) -> StereoPair:
    """Draw the pair of a sample; raises PhotographError."""
    pictures = read_photograph(path, settings.stretch), read_photograph(filler, settings.stretch)
    shape, key = settings.image_shape, settings.key
    return draw_pair(*pictures, shape, settings.largest_px, settings.photometric, key, number)


def render_read(image_shape: tuple[int, int], key: int, payloads: list[Any]) -> Batch:
    """Return the batch of samples (number, files of a pair): of each a random part of the shape."""
    parts = [random_part(files.read(), image_shape, key, number) for number, files in payloads]
    return stack_pairs([number for number, _ in payloads], parts)


def random_part(pair: StereoPair, image_shape: tuple[int, int], key: int, number: int) -> StereoPair:
    """Cut the same part out of both pictures; smaller ones are enlarged by their edges, where nothing is known."""
    pair = _at_least(pair, image_shape)
    generator = stream_generator(Stream.STEREO_CROP, key, number)
    sides = zip(pair.left.shape, image_shape, strict=True)
    top, left = (int(generator.integers(side - part + 1)) for side, part in sides)
    part = slice(top, top + image_shape[0]), slice(left, left + image_shape[1])
    hidden = None if pair.occluded is None else pair.occluded[part]
    return StereoPair(pair.left[part], pair.right[part], pair.disparity[part], hidden)


def _at_least(pair: StereoPair, image_shape: tuple[int, int]) -> StereoPair:
    more = [(0, max(part - side, 0)) for side, part in zip(pair.left.shape, image_shape, strict=True)]
    left, right = (np.pad(picture, more, "edge") for picture in (pair.left, pair.right))
    hidden = None if pair.occluded is None else np.pad(pair.occluded, more)
    return StereoPair(left, right, np.pad(pair.disparity, more, constant_values=math.nan), hidden)


def stack_pairs(numbers: list[int], pairs: Sequence[StereoPair]) -> Batch:
    """Return `numbers` int64 (B,), `images0/1` uint8 (B, H, W) and `disparity` float32 (B, H, W) of visible points."""
    return {
        "numbers": np.array(numbers, np.int64),
        "images0": np.stack([pair.left for pair in pairs]),
        "images1": np.stack([pair.right for pair in pairs]),
        "disparity": np.stack([pair.visible_disparity.astype(np.float32) for pair in pairs]),
    }
