"""Digits as training pictures: sample n of a key is the same digit, distorted by the same numbers, in every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.digits.digit_set import Digits
from superpoint_tf.data.photometric_backends import PendingChange
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.data.sources import index_of_sample

NUM_UNIFORMS = 32  # that the distortions of a digit take at most


class DigitSource:
    """Digits of a set in a new order every epoch."""

    pending: PendingChange | None = None

    def __init__(self, digits: Digits, key: int) -> None:
        self._digits, self.key = digits, key
        self.description = f"{len(digits.labels)} digits of scikit-learn"
        self.picture_shape = digits.pictures.shape[1:]

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        """Return the number, the picture and the label of each sample, and the key of its distortion."""
        indices = [index_of_sample(self.key, number, len(self._digits.labels)) for number in numbers]
        return [
            (number, self._digits.pictures[index], self._digits.labels[index], self.key)
            for number, index in zip(numbers, indices, strict=True)
        ]

    def picture_name(self, number: int) -> str:
        return f"digit {index_of_sample(self.key, number, len(self._digits.labels))} of the training set"

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return render_digits


def render_digits(payloads: list[Any]) -> Batch:
    """Return `numbers` int64 (B,), `images` uint8 (B, S, S), `labels` int64 (B,) and `uniforms` in [-1, 1) (B, U)."""
    numbers, pictures, labels, keys = zip(*payloads, strict=True)
    uniforms = [
        stream_generator(Stream.DISTORTION, key, number).uniform(-1, 1, NUM_UNIFORMS)
        for key, number in zip(keys, numbers, strict=True)
    ]
    return {
        "numbers": np.array(numbers, np.int64),
        "images": np.stack(pictures),
        "labels": np.array(labels, np.int64),
        "uniforms": np.array(uniforms, np.float32),
    }


def held_out_digits(digits: Digits, numbers: range) -> Batch:
    """Return what `render_digits` does of the digits in their order, over and over, distorted by key 0."""
    indices = [place % len(digits.labels) for place in range(len(numbers))]
    rows = zip(numbers, digits.pictures[indices], digits.labels[indices], strict=True)
    return render_digits([(*row, 0) for row in rows])
