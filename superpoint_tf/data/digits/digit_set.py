"""scikit-learn's handwritten digits, enlarged: which of them train, validate and test."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np

from superpoint_tf.config import ConfigError
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_install
from superpoint_tf.systems.digit_systems import DIGIT_SIDE_PX

_DIGIT_PX = 14  # of the digit in its middle, which has 8 x 8 pixels in the set
_LEVELS = 16.0
_NUM_VALIDATION, _NUM_TEST = 197, 800


class Digits(NamedTuple):
    """Pictures of digits and which digit each is."""

    pictures: np.ndarray  # uint8 (N, S, S), bright on black
    labels: np.ndarray  # int64 (N,)

    def fingerprint(self) -> str:
        """Return the SHA-256 of what is in them."""
        return storage.sha256(self.pictures.tobytes() + self.labels.tobytes())


@functools.cache
def load_digits() -> dict[str, Digits]:
    """Return the sets `train` (800 digits), `validation` (197) and `test` (800), the same for every seed.

    Raises ConfigError if scikit-learn, which brings them, is not installed.
    """
    try:
        from sklearn.datasets import load_digits as load_sklearn_digits
    except ImportError as error:
        raise ConfigError(
            f"scikit-learn, which brings the digits, is not installed: run `{how_to_install('digits')}`"
        ) from error
    levels, labels = load_sklearn_digits(return_X_y=True)
    order = stream_generator(Stream.ORDER, 0, 0).permutation(len(labels))
    pictures = np.stack([_enlarged(each.reshape(8, 8)) for each in levels[order]])
    ends = np.cumsum([len(order) - _NUM_VALIDATION - _NUM_TEST, _NUM_VALIDATION])
    parts = zip(np.split(pictures, ends), np.split(labels[order].astype(np.int64), ends), strict=True)
    return {name: Digits(*part) for name, part in zip(("train", "validation", "test"), parts, strict=True)}


def _enlarged(levels: np.ndarray) -> np.ndarray:
    """Return a digit of 8 x 8 levels from 0 to 16 in the middle of a black picture."""
    large = cv2.resize(levels.astype(np.float32) / _LEVELS, (_DIGIT_PX, _DIGIT_PX), interpolation=cv2.INTER_CUBIC)
    around = (DIGIT_SIDE_PX - _DIGIT_PX) // 2
    return np.pad(np.rint(255 * np.clip(large, 0, 1)).astype(np.uint8), around)
