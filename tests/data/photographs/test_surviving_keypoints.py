"""Keypoints that are found again in turned and zoomed copies of their photograph."""

from __future__ import annotations

import cv2
import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.photographs.detected_photographs import FrameSettings, detected_sample
from superpoint_tf.data.photographs.dog_keypoints import OrientedKeypoints, dog_keypoints
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings
from superpoint_tf.data.photographs.surviving_keypoints import surviving_keypoints


def blobs(seed: int = 0) -> np.ndarray:
    image, random = np.full((120, 160), 110, np.uint8), np.random.default_rng(seed)
    for _ in range(30):
        x, y, radius, grey = (int(n) for n in random.integers((20, 20, 3, 0), (140, 100, 7, 256)))
        cv2.circle(image, (x, y), radius, grey, -1)
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def test_blobs_survive_and_places_without_any_do_not() -> None:
    image = np.full((120, 160), 110, np.uint8)
    for x, y in ((50, 40), (90, 70), (70, 80)):
        cv2.circle(image, (x, y), 5, 250, -1)
    keypoints = dog_keypoints(image, 20)
    made_up = OrientedKeypoints(
        np.concatenate([keypoints.points, [[80.0, 30.0]]]).astype(np.float32),
        np.append(keypoints.diameters, np.float32(8)),
        np.append(keypoints.angles, np.float32(0)),
    )
    survive = surviving_keypoints(image, made_up, 1, 1, 5)
    centred = np.min(np.linalg.norm(made_up.points[:, None] - [[50, 40], [90, 70], [70, 80]], axis=2), axis=1) < 1
    assert survive[centred].any() and not survive[-1]


def test_more_copies_leave_fewer_and_none_leave_all() -> None:
    image = blobs()
    keypoints = dog_keypoints(image, 100)
    counts = [surviving_keypoints(image, keypoints, copies, 0, 1).sum() for copies in (0, 1, 4)]
    assert counts[0] == len(keypoints.points) > counts[1] >= counts[2] > 0


def test_they_are_a_function_of_key_and_number() -> None:
    image = blobs()
    keypoints = dog_keypoints(image, 100)
    first, again, other = (surviving_keypoints(image, keypoints, 2, 0, number) for number in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_flat_picture_has_none() -> None:
    image = np.full((40, 50), 90, np.uint8)
    assert surviving_keypoints(image, dog_keypoints(image, 10), 2, 0, 0).shape == (0,)


def test_those_that_do_not_survive_are_keypoints_without_a_frame_and_come_last() -> None:
    settings = RenderSettings.of(Config(), 0)
    image = cv2.resize(blobs(1), (320, 240))
    sample, rows = detected_sample(settings, FrameSettings(12.0, 60, 2), 3, image)
    every, plain = detected_sample(settings, FrameSettings(12.0, 60), 3, image)
    framed = np.isfinite(rows).all(axis=1)
    assert len(sample.keypoints) == len(every.keypoints) and np.isfinite(plain).all()
    assert 0 < framed.sum() < len(framed) and framed[: framed.sum()].all()
