"""Validation of networks that tell digits apart: their error on digits held out, and what their transformers crop."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.digit_batch import digit_batch
from superpoint_tf.data.digits.digit_set import load_digits
from superpoint_tf.data.digits.digit_source import held_out_digits
from superpoint_tf.data.random_streams import EVALUATION_PAIRS
from superpoint_tf.drawing.digit_crops import draw_crops
from superpoint_tf.networks.digit_network import cropped_grid
from superpoint_tf.training.validation import Figures, Metrics

_FIRST_NUMBERS = {"validation": EVALUATION_PAIRS.first, "test": EVALUATION_PAIRS.first + 2**32}
_AT_ONCE = 500
_SHOWN = 12  # digits a row


class DigitValidator:
    """The share of wrong answers on distorted digits that are held out, each seen in two distortions."""

    key = "accuracy"

    def __init__(self, config: Config) -> None:
        self._distortion, self._rows = config.digits.distortion, config.digits.num_figures

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        wrong = wrong_answers(model, self._distortion, "validation", 2)
        error = float(wrong.mean())
        return {"error": error, "accuracy": 1.0 - error}, self._figures(model)

    def _figures(self, model: tf.keras.Model) -> Figures:
        """Draw the first digits, framed by what is cropped of them, above what the layers after the transformer see."""
        images = distorted_digits(self._distortion, "validation", 1)[0][: _SHOWN * self._rows]
        crops = draw_digit_crops(model, images, _SHOWN) if self._rows else None
        return {} if crops is None else {"validation_crops": crops}


def draw_digit_crops(model: tf.keras.Model, images: tf.Tensor, columns: int) -> np.ndarray | None:
    """Return a sheet (H, W, 3) of pictures (B, S, S, 1) and their crops; None if the network crops nothing."""
    grid = cropped_grid(model, images)
    return None if grid is None else draw_crops(images.numpy()[..., 0], grid.numpy(), columns)


def distorted_digits(distortion: str, part: str, times: int) -> tuple[tf.Tensor, np.ndarray]:
    """Return pictures (N, S, S, 1) in [0, 1] and labels (N,) of `validation` or `test`, each digit so many times.

    They are the same for every seed; `distortion` is a row of `DISTORTIONS`.
    """
    digits, first = load_digits()[part], _FIRST_NUMBERS[part]
    batch = held_out_digits(digits, range(first, first + times * len(digits.labels)))
    images = digit_batch({name: tf.constant(value) for name, value in batch.items()}, 0, distortion)["images"]
    return images, batch["labels"]


def wrong_answers(model: tf.keras.Model, distortion: str, part: str, times: int) -> np.ndarray:
    """Return which answers are wrong, bool (times, digits), on `distorted_digits`."""
    images, labels = distorted_digits(distortion, part, times)
    logits = [model(images[start : start + _AT_ONCE])["logits"] for start in range(0, len(labels), _AT_ONCE)]
    return (tf.argmax(tf.concat(logits, 0), axis=1).numpy() != labels).reshape(times, -1)
