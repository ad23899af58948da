"""LIFT and LF-Net as people use them: sizes, angles and descriptors of crops, whatever the picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.features import Features
from superpoint_tf.models import SuperPoint
from superpoint_tf.models.crop_describer import CropDescriber
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.using.extractor import Extractor

DIMENSIONS = {"lift": 128, "lfnet": 256}


@cache
def model_of(system: str) -> SuperPoint:
    return SuperPoint(build_network(NetworkConfig(system=system), seed=1))


def picture(shape: tuple[int, int] = (96, 120), seed: int = 0) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(seed).random(shape, np.float32)
    return values


@pytest.mark.parametrize("system", DIMENSIONS)
def test_keypoints_have_sizes_angles_and_descriptors(system: str) -> None:
    found = model_of(system).extract(picture(), max_keypoints=20)
    assert len(found.keypoints) == 20 and found.descriptors is not None
    assert found.sizes is not None and found.angles_deg is not None
    assert found.descriptors.shape == (20, DIMENSIONS[system]) and np.isfinite(found.descriptors).all()
    assert (found.sizes > 0).all() and (found.angles_deg >= 0).all() and (found.angles_deg < 360).all()
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (9, 11)])
@pytest.mark.parametrize("system", DIMENSIONS)
def test_pictures_of_any_size_give_features_or_none(system: str, shape: tuple[int, int]) -> None:
    found = model_of(system).extract(picture(shape))
    count = len(found.keypoints)
    assert found.descriptors is not None and found.descriptors.shape == (count, DIMENSIONS[system])
    assert found.sizes is not None and found.sizes.shape == (count,)


@pytest.mark.parametrize("system", DIMENSIONS)
def test_a_black_picture_gives_no_descriptor_that_is_not_finite(system: str) -> None:
    found = model_of(system).extract(np.zeros((64, 64), np.float32), max_keypoints=5)
    assert found.descriptors is not None and np.isfinite(found.descriptors).all()


@pytest.mark.parametrize("system", DIMENSIONS)
def test_a_batch_gives_what_single_pictures_give(system: str) -> None:
    pictures = [picture(seed=0), picture(seed=1), picture((30, 40))]
    together = model_of(system).extract_batch(pictures, max_keypoints=8)
    assert not together.left_out
    for image, found in zip(pictures, together.features, strict=True):
        alone = model_of(system).extract(image, max_keypoints=8)
        np.testing.assert_allclose(found.keypoints, alone.keypoints)
        np.testing.assert_allclose(found.descriptors, alone.descriptors, atol=1e-3)


@pytest.mark.parametrize("system", DIMENSIONS)
def test_given_keypoints_are_described_as_those_found(system: str) -> None:
    found = model_of(system).extract(picture(), max_keypoints=6)
    described = model_of(system).describe(picture(), found.keypoints)
    np.testing.assert_allclose(described, found.descriptors, atol=1e-4)
    assert model_of(system).describe(picture(), np.zeros((0, 2))).shape == (0, DIMENSIONS[system])


def test_a_crop_follows_the_keypoints_angle() -> None:
    """The descriptor of a picture turned by a quarter, of a keypoint turned with it, is the same."""
    model, image = model_of("lfnet"), cv2.GaussianBlur(picture((81, 81)), (0, 0), 2.0)
    assert isinstance(model._crops, CropDescriber)
    keypoint, size = np.array([[40.0, 40.0]], np.float32), np.array([5.0], np.float32)
    first = Features(keypoint, np.ones(1, np.float32), None, size, np.array([0.0], np.float32))
    turned = first._replace(angles_deg=np.array([90.0], np.float32))
    clockwise = np.ascontiguousarray(np.rot90(image, -1))  # what lay to the right lies below
    one, other = (
        model._crops.describe(each, features).descriptors for each, features in ((image, first), (clockwise, turned))
    )
    np.testing.assert_allclose(one, other, atol=0.02)  # crops are read at places rounded to 1/32 px
    assert np.abs(one - model._crops.describe(image, turned).descriptors).max() > 0.05


def test_sizes_are_in_pixels_of_the_picture_however_small_the_network_saw_it(tmp_path: Path) -> None:
    image = np.random.default_rng(3).integers(0, 256, (48, 64), np.uint8)
    get_weights(model_of("lfnet").network, NetworkConfig(system="lfnet")).save(tmp_path / "lfnet.npz")
    whole = Extractor(str(tmp_path / "lfnet.npz"))(image)
    shrunk = Extractor(str(tmp_path / "lfnet.npz"), resize_px=64)(cv2.resize(image, (128, 96), interpolation=0))
    assert whole.sizes is not None and shrunk.sizes is not None
    np.testing.assert_allclose(shrunk.sizes[:5], 2 * whole.sizes[:5], rtol=1e-4)


def test_lifts_orientation_turns_with_the_picture_by_what_its_network_says() -> None:
    found = model_of("lift").extract(picture(), max_keypoints=3)
    assert found.angles_deg is not None and len(np.unique(found.angles_deg)) == 3
