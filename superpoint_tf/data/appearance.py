"""Changed appearance: a picture of the same shapes with other grey levels, for pairs that only structure relates.

Stands in for two objects of one class, whose edges lie alike and whose colours do not. Runs in workers.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from superpoint_tf.data.random_streams import Stream, stream_generator

_KNOTS = 5  # of a monotone tone curve
_PALETTE = (5, 9)  # levels of a palette, from and below
_LOCAL_PX = (4.0, 16.0)  # deviation of the blur whose result is the local mean
_EDGE_BLUR_PX = (0.7, 1.5)
_BRIGHTEST_EDGES = 99.0  # percentile of the gradient that is drawn white

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def monotone_tone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a curve that rises, or one that falls, with uneven steps."""
    knots = np.cumsum(rng.uniform(0.0, 1.0, _KNOTS) ** 2)
    levels = 255 * (knots - knots[0]) / max(knots[-1] - knots[0], 1e-9)
    curve = np.interp(np.arange(256), np.linspace(0, 255, _KNOTS), levels)
    return cv2.LUT(image, _levels(curve[::-1] if rng.random() < 0.5 else curve))


def folded_tone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a curve that rises and falls again: part of a sine."""
    phases = 2 * np.pi * (rng.uniform(0.6, 1.4) * np.arange(256) / 255 + rng.random())
    return cv2.LUT(image, _levels(127.5 + 127.5 * np.sin(phases)))


def palette(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exchange the grey levels of a palette among each other; what is between two of its levels stays between them."""
    count = int(rng.integers(*_PALETTE))
    levels = np.linspace(0, 255, count)
    return cv2.LUT(image, _levels(np.interp(np.arange(256), levels, rng.permutation(levels))))


def inverted_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn what differs from the local mean into its opposite."""
    mean = cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(*_LOCAL_PX), borderType=cv2.BORDER_REFLECT)
    return _levels(2 * mean - image)


def edges(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the strength of the gradient, white on black or black on white."""
    soft = cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(*_EDGE_BLUR_PX))
    strength = np.hypot(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    drawn = _levels(255 * strength / max(float(np.percentile(strength, _BRIGHTEST_EDGES)), 1e-3))
    return 255 - drawn if rng.random() < 0.5 else drawn


CHANGES: dict[str, Change] = {
    "monotone tone": monotone_tone,
    "folded tone": folded_tone,
    "palette": palette,
    "inverted contrast": inverted_contrast,
    "edges": edges,
}


def change_appearance(image: np.ndarray, key: int, number: int) -> np.ndarray:
    """Return a grey picture uint8 (H, W) in the other appearance of sample `number`, one of CHANGES at random."""
    rng = stream_generator(Stream.APPEARANCE, key, number)
    return list(CHANGES.values())[int(rng.integers(len(CHANGES)))](image, rng)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
