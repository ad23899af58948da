"""Photographs without labels: keypoints of differences of Gaussians with their frames, a function of the number."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.photographs.detected_photographs import (
    DetectedPhotographs,
    FrameSettings,
    detected_sample,
)
from superpoint_tf.data.photographs.dog_keypoints import dog_keypoints
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings
from superpoint_tf.training.build import build_task

SHAPE = (96, 128)


def blobs(shape: tuple[int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3.0), None, 0, 255, cv2.NORM_MINMAX)


def config(root: Path, photographs: dict | None = None, **patches: object) -> Config:
    section = {"root": str(root), "image_shape": list(SHAPE), "photometric": {"enabled": False}, **(photographs or {})}
    sizes = {"labels": "dog", "batch_size": 16, "points_per_picture": 8}
    return build_config(
        {
            "train": "patches",
            "workers": 0,
            "network": {"system": "hardnet"},
            "photographs": section,
            "patches": {**sizes, **patches},
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), blobs(seed=number))
    return tmp_path


def test_keypoints_are_the_strongest_of_sift_with_their_size_and_orientation():
    keypoints = dog_keypoints(blobs(), 20)
    assert keypoints.points.shape == (20, 2) and (keypoints.diameters >= 3).all()
    expected = sorted(cv2.SIFT.create(contrastThreshold=0.02).detect(blobs(), None), key=lambda k: -k.response)
    expected = [k for k in expected if k.size >= 3][:20]
    np.testing.assert_allclose(keypoints.points, [k.pt for k in expected])
    np.testing.assert_allclose(np.rad2deg(keypoints.angles), [k.angle for k in expected], rtol=1e-5)


def test_a_blank_picture_has_no_keypoint():
    keypoints = dog_keypoints(np.full(SHAPE, 128, np.uint8), 20)
    assert keypoints.points.shape == (0, 2) and keypoints.diameters.shape == keypoints.angles.shape == (0,)


def test_samples_are_functions_of_their_numbers(folder: Path):
    settings = config(folder, {"flip": True, "photometric": {"enabled": True}})
    source = DetectedPhotographs(settings, str(folder), [f"{n}.png" for n in range(6)], key=3)
    together = source.render(source.payloads([4, 9]))
    alone = source.render(source.payloads([9]))
    assert together["images1"].shape == (2, *SHAPE) and together["frames"].shape == together["keypoints"].shape
    left_to_the_batch = source.pending is not None
    assert np.array_equal(together["images"], together["images1"]) == left_to_the_batch
    count = int(np.isfinite(alone["keypoints"][0, :, 0]).sum())
    for name in ("images", "images1"):
        np.testing.assert_array_equal(together[name][1], alone[name][0])
    for name in ("keypoints", "frames"):
        np.testing.assert_array_equal(together[name][1, :count], alone[name][0, :count])


def test_frames_of_a_finer_picture_are_those_of_the_frame(folder: Path):
    """A picture of twice the frame's pixels: blobs lie at the same places of the frame, of the same size."""
    fine = cv2.resize(blobs(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    support = FrameSettings(6.0, 400)
    coarse_sample, coarse = detected_sample(RenderSettings.of(config(folder), 0), support, 1, blobs())
    twice = RenderSettings.of(config(folder, {"source_scale": 2.0}), 0)
    fine_sample, finer = detected_sample(twice, support, 1, fine)
    assert fine_sample.picture.shape == (192, 256)
    near = 0
    for point, (half_side, _) in zip(coarse_sample.keypoints, coarse, strict=True):
        steps = np.linalg.norm(fine_sample.keypoints - point, axis=1)
        close = steps < 0.5
        near += bool((np.abs(np.log2(finer[close, 0] / half_side)) < 0.2).any())
    assert near / len(coarse) > 0.6
    assert np.median(coarse[:, 0]) == pytest.approx(3 * np.median(dog_keypoints(blobs(), 400).diameters))


def test_a_task_needs_no_labels_and_knows_its_photographs(folder: Path):
    task = build_task(config(folder))
    assert "keypoints of differences of Gaussians" in task.source.description and set(task.inputs) == {"photographs"}
    cv2.imwrite(str(folder / "another.png"), blobs(seed=9))
    assert build_task(config(folder)).inputs != task.inputs


def test_one_photograph_cannot_be_held_out(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "only.png"), blobs())
    with pytest.raises(ConfigError, match="too few photographs to hold any out"):
        build_task(config(tmp_path))
