"""DELF's features: the middles of cells at every scale, each described by its own scale, strongest attention first."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.config.scales_and_phases import scaled_shape
from superpoint_tf.detection.maps import resize_images
from superpoint_tf.evaluation.methods.controls import shuffled
from superpoint_tf.evaluation.methods.methods import FOR_PAIRS, load_methods
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.features import Features
from superpoint_tf.models.dense_model import DenseModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights

CONFIG = NetworkConfig(system="delf-small")
IMAGE = np.random.default_rng(0).random((64, 96)).astype(np.float32)
EVERY = {"border_px": 0, "threshold": 0.0, "max_keypoints": None}


@pytest.fixture(scope="module")
def model() -> DenseModel:
    return DenseModel(build_network(CONFIG, seed=1))


def by_definition(model: DenseModel, scale: float) -> dict[tuple[float, float], tuple[float, np.ndarray]]:
    """Return score and unit descriptor of every cell, by where its middle is in the picture."""
    resized = resize_images(tf.constant(IMAGE[None, ..., None]), scale)
    outputs = {name: value.numpy()[0] for name, value in model.network(resized).items()}
    shape = scaled_shape(IMAGE.shape, scale)
    found = {}
    for row, column in np.ndindex(outputs["attention"].shape[:2]):
        x, y = 16 * column + 3.5, 16 * row + 3.5
        place = (x + 0.5) * IMAGE.shape[1] / shape[1] - 0.5, (y + 0.5) * IMAGE.shape[0] / shape[0] - 0.5
        attention, vector = float(outputs["attention"][row, column, 0]), outputs["descriptors"][row, column]
        found[place] = attention / (1 + attention), vector / np.linalg.norm(vector)
    return found


@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0])
def test_a_scale_finds_the_middles_of_its_cells_and_describes_them(model: DenseModel, scale: float):
    found = model.extract(IMAGE, scales=(scale,), subpixel=True, nms_radius_px=round(1 / scale) or 1, **EVERY)
    expected = by_definition(model, scale)
    assert len(found.keypoints) == len(expected)
    for keypoint, score, descriptor in zip(found.keypoints, found.scores, found.descriptors, strict=True):
        place = min(expected, key=lambda each: np.hypot(*(np.array(each) - keypoint)))
        assert np.allclose(place, keypoint, atol=0.05 / scale)
        assert score == pytest.approx(expected[place][0], abs=1e-5)
        assert np.allclose(descriptor, expected[place][1], atol=2e-3)
    assert (np.diff(found.scores) <= 0).all()


def test_scales_are_joined_each_feature_of_its_own(model: DenseModel):
    together = model.extract(IMAGE, scales=(0.5, 1.0, 2.0), nms_radius_px=0, **EVERY)
    alone = [
        model.extract(IMAGE, scales=(scale,), nms_radius_px=radius, **EVERY)
        for scale, radius in ((0.5, 2), (1.0, 1), (2.0, 1))
    ]
    assert len(together.keypoints) == sum(len(each.keypoints) for each in alone) - _same_places(alone)
    assert (np.diff(together.scores) <= 0).all()
    joined = np.concatenate([each.descriptors for each in alone])
    nearest = ((together.descriptors[:, None] - joined[None]) ** 2).sum(axis=2).min(axis=1)
    assert nearest.max() < 1e-9  # no sums of several scales


def _same_places(found: list[Features]) -> int:
    """Return how many keypoints round to a pixel that another one has: suppression leaves one."""
    pixels = np.floor(np.concatenate([each.keypoints for each in found]) + 0.5)
    return len(pixels) - len(np.unique(pixels, axis=0))


def test_suppression_and_budget_are_those_of_all_scales_together(model: DenseModel):
    found = model.extract(IMAGE, scales=(0.5, 1.0, 2.0), nms_radius_px=6, border_px=0, threshold=0.0, max_keypoints=20)
    pixels = np.floor(found.keypoints + 0.5)
    apart = np.abs(pixels[:, None] - pixels[None]).max(axis=2) + 99 * np.eye(len(pixels))
    assert len(found.keypoints) == 20 and apart.min() > 6


@pytest.mark.parametrize("shape", [(1, 96), (1, 1), (64, 1)])
def test_pictures_of_one_row_or_column_give_no_error(model: DenseModel, shape: tuple[int, int]):
    found = model.extract(np.full(shape, 0.5, np.float32), scales=(0.25, 1.0, 2.0))
    assert found.descriptors.shape == (len(found.keypoints), 40) and np.isfinite(found.descriptors).all()


def test_uniform_sampling_takes_the_same_features_in_random_order(model: DenseModel, tmp_path):
    get_weights(model.network, CONFIG).save(tmp_path / "weights.npz")
    path, image = str(tmp_path / "weights.npz"), np.rint(255 * IMAGE).astype(np.uint8)
    detection = FOR_PAIRS.__class__(threshold=1e-4, max_keypoints=None, scales=(1.0, 2.0))
    attention, uniform = load_methods([path, f"uniform:{path}"], detection)
    protocol = PairProtocol(IMAGE.shape, 1000, nms_radius_px=1)
    first, second = (method.find(View("v", image), "s", protocol) for method in (attention, uniform))
    assert uniform.name.endswith("uniform (control)") and uniform.identity != attention.identity
    same = {tuple(row) for row in first.descriptors.tolist()} & {tuple(row) for row in second.descriptors.tolist()}
    assert len(first.keypoints) == len(second.keypoints) == len(same)
    assert not np.array_equal(first.keypoints, second.keypoints) and (np.diff(second.scores) <= 0).all()
    again = uniform.find(View("v", image), "s", protocol)
    assert np.array_equal(again.keypoints, second.keypoints)


def test_random_scores_are_of_the_picture_alone():
    points = np.arange(20, dtype=np.float32).reshape(10, 2)
    found = Features(points, np.arange(10, 0, -1).astype(np.float32), points)
    one, other = (shuffled(np.full((4, 4), grey, np.uint8), found) for grey in (0, 1))
    assert sorted(map(tuple, one.keypoints)) == sorted(map(tuple, points)) and (one.descriptors == one.keypoints).all()
    assert not np.array_equal(one.keypoints, other.keypoints)
    assert len(shuffled(np.zeros((4, 4), np.uint8), found.take(slice(0))).keypoints) == 0
