"""Where training pictures come from: sample number n of a source is the same picture and keypoints in every run.

A source turns numbers into payloads in the main process (cheap) and payloads into arrays in a worker (drawing,
decoding, photometric change). Nothing here imports TensorFlow, so that workers start at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.permutations import NUM_ROUNDS, permuted
from superpoint_tf.data.photometric_backends import PendingChange
from superpoint_tf.data.random_streams import Stream, stream_generator

_MOST_SHUFFLED = 2**21  # items whose order is held in memory, 16 MB an epoch


class NumberedSource(Protocol):
    """Numbered training samples."""

    description: str
    key: int  # of the stage: what is drawn of a sample's number (`random_streams`)
    pending: PendingChange | None  # what workers leave to the graph of the batch

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        """Return what a worker needs to render the samples of these numbers."""
        ...

    def picture_name(self, number: int) -> str:
        """Say which picture sample `number` is, for messages."""
        ...

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        """Return a picklable function from payloads to a batch, whose `numbers` int64 (B,) are the samples'."""
        ...


class Source(NumberedSource, Protocol):
    """Numbered training pictures."""

    image_shape: tuple[int, int]  # of the frame: of the views, and of the keypoints' pixels
    picture_shape: tuple[int, int]  # of the pictures handed over: as many pixels, or more
    with_pairs: bool
    with_known: bool
    with_frames: bool

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        """Return a picklable function from payloads to a batch.

        The batch holds `numbers` int64 (B,), `images` uint8 (B, *picture_shape), `keypoints` float32 (B, K, 2) xy of
        the frame padded with NaN; for pairs `images1`, the same pictures under another photometric change, and
        `pictures` int64 (B,), which photographs they are; with `with_known` `known` bool (B, *image_shape), where the
        labels can tell; with `with_frames` `frames` float32 (B, K, 2), half the side of each keypoint's patch in pixels
        of the frame and its angle in radians, padded with NaN; where the pictures have more pixels than the frame
        `picture_to_frame` float64 (B, 3, 3), from their pixels to the frame's.
        """
        ...


@functools.lru_cache(maxsize=4)
def _epoch_order(key: int, epoch: int, count: int) -> np.ndarray:
    return stream_generator(Stream.ORDER, key, epoch).permutation(count)


@functools.lru_cache(maxsize=4)
def _epoch_keys(key: int, epoch: int) -> list[int]:
    generator = stream_generator(Stream.ORDER, key, epoch)
    return [int(word) for word in generator.integers(2**64, size=NUM_ROUNDS, dtype=np.uint64)]


def index_of_sample(key: int, number: int, count: int) -> int:
    """Return which of `count` items sample `number` is; every epoch is a permutation of its own."""
    epoch, position = divmod(number, count)
    if count > _MOST_SHUFFLED:
        return permuted(position, count, _epoch_keys(key, epoch))
    return int(_epoch_order(key, epoch, count)[position])
