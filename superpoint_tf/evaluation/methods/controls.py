"""Three controls that see nothing: what they reach is what a metric gives away for free.

They go through the same suppression as every method. With a radius of 8 px, that of the matching protocol, neighbours
on the 8-px grid suppress each other, so at 480x640 `grid` and `position` fill 922 of the 1000 keypoints allowed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from superpoint_tf.features import Features

GRID_STEP_PX = 8
RANDOM_DIM = 128  # of the random descriptors


def grid(image: np.ndarray) -> Features:
    """Return points every 8 px, the same in each image of one size (H, W), scores included; no descriptors."""
    height, width = image.shape
    y, x = np.mgrid[GRID_STEP_PX // 2 : height : GRID_STEP_PX, GRID_STEP_PX // 2 : width : GRID_STEP_PX]
    keypoints = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    # random strengths spread any budget over the frame; drawn from no image, so they are fixed
    scores = np.random.Generator(np.random.Philox(key=0)).random(len(keypoints), np.float32)
    order = np.argsort(-scores, kind="stable")
    return Features(keypoints[order], scores[order])


def random_points(image: np.ndarray) -> Features:
    """Return uniformly random points with random descriptors, seeded by the image's content: two images, two draws."""
    height, width = image.shape
    generator = generator_of(np.ascontiguousarray(image).tobytes())
    number = image.size // GRID_STEP_PX**2 * 4  # enough to fill any budget after suppression
    keypoints = generator.random((number, 2), np.float32) * np.array([width - 1, height - 1], np.float32)
    scores = np.sort(generator.random(number, np.float32))[::-1]
    descriptors = generator.standard_normal((number, RANDOM_DIM), np.float32)
    return Features(keypoints, scores, descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True))


def position(image: np.ndarray) -> Features:
    """Return the grid with each point's own position as its descriptor: matches everything to where it was."""
    features = grid(image)
    return features._replace(descriptors=features.keypoints.copy())


def shuffled(image: np.ndarray, features: Features) -> Features:
    """Return features with random scores in place of theirs, seeded by the image's content."""
    scores = generator_of(np.ascontiguousarray(image).tobytes()).random(len(features.scores), np.float32)
    return features._replace(scores=scores).take(np.argsort(-scores, kind="stable"))


def generator_of(content: bytes) -> np.random.Generator:
    """Return NumPy's generator of some content alone: the same in every run, another for other content."""
    digest = hashlib.sha256(content).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


CONTROLS: dict[str, Callable[[np.ndarray], Features]] = {
    "grid (control)": grid,
    "random (control)": random_points,
    "position (control)": position,
}
