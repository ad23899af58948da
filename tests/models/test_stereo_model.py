"""A stereo network as people use it: costs of pictures are those of their patches, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.models.stereo_costs import UNSEEN, PairCosts
from superpoint_tf.models.stereo_model import StereoModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.stereo_network import build_stereo_network
from superpoint_tf.networks.weights import WeightsError, get_weights
from superpoint_tf.systems import StereoSpec
from superpoint_tf.systems.system import conv, relu, unit

SPECS = {
    "dot": StereoSpec((conv(6, 3, "valid", bias=True), unit())),
    "head": StereoSpec(
        (conv(4, 3, "valid", bias=True), relu()),
        (
            conv(8, 1, "valid", bias=True),
            relu(),
            conv(5, 1, "valid", bias=True),
            relu(),
            conv(1, 1, "valid", bias=True),
        ),
    ),
}
PAIR = np.random.default_rng(0).random((2, 9, 12)).astype(np.float32)


def padded(picture: np.ndarray) -> np.ndarray:
    return np.pad((picture - picture.mean()) / picture.std(), 1, "edge")[np.newaxis, ..., np.newaxis]


@pytest.mark.parametrize("kind", SPECS)
def test_costs_are_what_the_network_says_of_each_pair_of_patches(kind: str) -> None:
    network = build_stereo_network(SPECS[kind], "small", seed=2)
    volume = PairCosts(network, SPECS[kind]).volume(*PAIR, num_disparities=4)
    left, right = (padded(picture).astype(np.float32) for picture in PAIR)
    for d, y, x in np.ndindex(4, 9, 12):
        if x < d:
            assert volume[d, y, x] == UNSEEN
        elif (y + x) % 5 == d:  # some of them, for the time it takes
            patches = [left[:, y : y + 3, x : x + 3], right[:, y : y + 3, x - d : x - d + 3]]
            mismatch = float(network(patches)["mismatch"].numpy().reshape(()))
            expected = 1 / (1 + np.exp(-mismatch)) if SPECS[kind].head else (1 + mismatch) / 2
            assert volume[d, y, x] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", SPECS)
def test_costs_of_points_are_those_of_the_volume(kind: str) -> None:
    costs = PairCosts(build_stereo_network(SPECS[kind], "small", seed=2), SPECS[kind])
    points = np.array([[0, 0], [11, 8], [3, 4], [3, 4]])
    volume = costs.volume(*PAIR, num_disparities=5)
    np.testing.assert_allclose(costs.at_points(*PAIR, points, 5), volume[:, points[:, 1], points[:, 0]].T, atol=1e-6)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config, path = NetworkConfig(system="mc-cnn-fast"), tmp_path_factory.mktemp("weights") / "w.npz"
    get_weights(build_network(config, seed=5), config).save(path)
    return path


def test_a_moved_picture_has_its_shift_as_disparity_even_before_training(weights: Path) -> None:
    wide = np.random.default_rng(1).integers(0, 256, (24, 46), np.uint8)
    left, right = wide[:, :40], wide[:, 6:]
    model = StereoModel.from_pretrained(weights)
    found, least = model.match(left, right, 12), model.disparity(left, right, 12, post_processing=False)
    assert np.abs(found.disparity[:, 12:] - 6).max() < 0.5 and found.agreement > 0.7
    assert (least[4:-4, 12:-4] == 6).all() and least.dtype == np.float32
    unrelated = np.random.default_rng(2).integers(0, 256, (24, 40), np.uint8)
    assert model.match(left, unrelated, 12).agreement < found.agreement


@pytest.mark.parametrize("rows", [-3, 0, 2])
def test_it_tells_by_how_many_rows_a_pair_is_off(weights: Path, rows: int) -> None:
    tall = np.random.default_rng(3).integers(0, 256, (50, 46), np.uint8)
    left, right = tall[4:44, :40], tall[4 - rows : 44 - rows, 6:]
    assert StereoModel.from_pretrained(weights).rows_apart(left, right, 12) == rows


def test_small_flat_and_colour_pictures_are_answered(weights: Path) -> None:
    model = StereoModel.from_pretrained(weights)
    for shape in ((1, 1), (1, 20), (20, 1), (8, 9, 3)):
        picture = np.full(shape, 100, np.uint8)
        found = model.disparity(picture, picture, 4)
        assert found.shape == shape[:2] and np.isfinite(found).all()


def test_other_pictures_ranges_and_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    model = StereoModel.from_pretrained(weights)
    with pytest.raises(
        ValueError, match="left has 12x9, right 11x9 pixels: give the two pictures of one rectified pair"
    ):
        model.disparity(PAIR[0], PAIR[1, :, :-1])
    with pytest.raises(ValueError, match="0 disparities; give 1 to 4096"):
        model.disparity(*PAIR, num_disparities=0)
    with pytest.raises(ValueError, match="outside"):
        model.disparity(255 * PAIR[0], PAIR[1])
    with pytest.raises(WeightsError, match="hardnet gives vectors, not costs; name one of mc-cnn-fast or"):
        StereoModel.from_pretrained("hardnet")
    with pytest.raises(ValueError, match="hardnet matches no stereo pairs"):
        StereoModel(build_network(NetworkConfig(system="hardnet")), "hardnet")
    with pytest.raises(WeightsError, match="no weights there"):
        StereoModel.from_pretrained(tmp_path / "absent")
