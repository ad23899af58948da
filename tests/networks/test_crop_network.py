"""LIFT and LF-Net as networks in parts: numbers of weights, GHH layers, files, and patches against pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError, NetworkConfig
from superpoint_tf.networks import lift_chain
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.lift_detector import FACTORS, scores_of
from superpoint_tf.networks.patch_layers import HingingHyperplanes
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import get_weights, load_network
from superpoint_tf.training.freezing import train_only

PARTS = {  # trainable weights: by the layer lists of the papers
    "lift": {"descriptor": 280_320, "orientation": 2_019_162, "detector": 10_016},
    "lfnet": {"detector": 41_943, "descriptor": 2_598_656},
}


@cache
def network_of(system: str) -> Any:
    return build_network(NetworkConfig(system=system), seed=1)


@pytest.mark.parametrize("system", PARTS)
def test_the_parts_have_the_papers_numbers_of_weights(system: str) -> None:
    counts: dict[str, int] = {}
    for name, variable in named_variables(network_of(system), only_trainable=True).items():
        part = name.partition("/")[0]
        counts[part] = counts.get(part, 0) + int(np.prod(variable.shape))
    assert counts == PARTS[system]


@pytest.mark.parametrize("system", PARTS)
def test_the_shapes_of_the_weights_are_known_without_building_it(system: str) -> None:
    variables = named_variables(network_of(system))
    assert weight_shapes(NetworkConfig(system=system)) == {name: tuple(v.shape) for name, v in variables.items()}


@pytest.mark.parametrize("system", PARTS)
def test_weights_keep_what_they_give_through_a_file(system: str, tmp_path: Path) -> None:
    get_weights(network_of(system), NetworkConfig(system=system), 7).save(tmp_path / "weights.npz")
    loaded, weights = load_network(tmp_path / "weights.npz")
    image = np.random.default_rng(0).random((1, 60, 50, 1), np.float32)
    first, second = (each.get_layer("detector")(image)["scores"].numpy() for each in (network_of(system), loaded))
    assert weights.step == 7 and weights.network.system == system and np.array_equal(first, second)


def hinging_hyperplanes(features: np.ndarray, sums: int, maxima: int) -> np.ndarray:
    """Compute LIFT's equation 5 by loops: neighbouring channels make a maximum, neighbouring maxima a sum."""
    groups = len(features) // (sums * maxima)
    result = np.zeros(groups)
    for group in range(groups):
        for term in range(sums):
            start = (group * sums + term) * maxima
            result[group] += (-1) ** term * features[start : start + maxima].max()
    return result


def test_ghh_is_a_sum_of_maxima_with_alternating_signs() -> None:
    features = np.random.default_rng(0).normal(size=(3, 5, 24)).astype(np.float32)
    layer = HingingHyperplanes("ghh", 3, 4)
    expected = [[hinging_hyperplanes(pixel.astype(np.float64), 3, 4) for pixel in row] for row in features]
    assert np.allclose(layer(features), expected, atol=1e-6)


def test_equal_channels_of_ghh_cancel() -> None:
    assert np.allclose(HingingHyperplanes("ghh", 4, 4)(tf.fill((2, 32), 7.0)), np.zeros((2, 2)))


def test_a_crop_in_the_middle_that_is_not_turned_is_the_patchs_inner_half() -> None:
    patches = np.random.default_rng(0).random((2, 128, 128, 1), np.float32)
    crops = lift_chain.crop(patches, lift_chain.middle(patches), tf.constant([[1.0, 0.0]] * 2))
    assert np.allclose(crops, patches[:, 32:96, 32:96], atol=1e-6)


def test_a_crop_towards_the_patchs_down_is_turned_by_a_quarter() -> None:
    patches = np.random.default_rng(0).random((1, 128, 128, 1), np.float32)
    crops = lift_chain.crop(patches, lift_chain.middle(patches), tf.constant([[0.0, 1.0]]))
    assert np.allclose(crops[0, ..., 0], np.rot90(patches[0, 32:96, 32:96, 0], 1), atol=1e-5)


def test_the_detector_of_pictures_answers_at_full_size_as_that_of_patches() -> None:
    network, picture = network_of("lift"), np.random.default_rng(0).random((1, 60, 70, 1), np.float32)
    detector = network.get_layer("detector")
    scores = detector(picture)["scores"].numpy()
    patch = picture[:, 7 : 7 + 25, 11 : 11 + 25]
    assert scores.shape == (1, 60, 70, len(FACTORS))
    assert np.allclose(scores[0, 7 + 12, 11 + 12, 0], scores_of(detector, patch)[0, 0, 0], atol=1e-4)
    assert (scores[0, :12, :, 0] < -1e3).all() and (scores[0, :, -12:, 0] < -1e3).all()


def test_where_a_patch_has_one_large_score_the_keypoint_is_there() -> None:
    scores = np.zeros((1, 24, 24), np.float32)
    scores[0, 5, 9] = 50.0
    place = lift_chain.locate(tf.constant(scores)).numpy()[0]
    # of the 48 pixels (9 + 12, 5 + 12), each of which is 128 / 48 of the patch's
    assert np.allclose(place, (np.array([21, 17]) + 0.5) * 128 / 48 - 0.5, atol=1e-3)


def test_lfnets_keypoints_all_begin_upright() -> None:
    picture = np.random.default_rng(0).random((1, 20, 30, 1), np.float32)
    directions = network_of("lfnet").get_layer("detector")(picture)["directions"].numpy()
    assert np.allclose(directions, np.broadcast_to([1.0, 0.0], directions.shape), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1)])
@pytest.mark.parametrize("system", PARTS)
def test_a_picture_of_one_row_has_finite_scores(system: str, shape: tuple[int, int]) -> None:
    outputs = network_of(system).get_layer("detector")(np.zeros((1, *shape, 1), np.float32))
    assert all(value.shape[1:3] == shape and np.isfinite(value).all() for value in outputs.values())


def test_one_part_alone_is_trained_by_its_name() -> None:
    network = build_network(NetworkConfig(system="lift"))
    train_only(network, "orientation")
    assert {name.partition("/")[0] for name in named_variables(network, only_trainable=True)} == {"orientation"}
    with pytest.raises(ConfigError, match=r"'orientating'; the layers are .*detector/conv_1"):
        train_only(network, "orientating")
