"""Networks of stereo pairs: sizes, what they say of two patches, and that a picture is seen patch by patch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network, describes, weight_shapes
from superpoint_tf.networks.stereo_network import build_stereo_network, standardise_pictures
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import COSTS, SYSTEMS, StereoSpec
from superpoint_tf.systems.system import conv, relu, unit

ROWS = [name for name, row in SYSTEMS.items() if row.gives == COSTS]
SMALL = StereoSpec((conv(6, 3, "valid", bias=True), relu(), conv(4, 3, "valid", bias=True), unit()))
SMALL_HEAD = StereoSpec(
    (conv(4, 3, "valid", bias=True), relu()),
    (conv(8, 1, "valid", bias=True), relu(), conv(1, 1, "valid", bias=True)),
)


@pytest.mark.parametrize(
    ("name", "weights", "side"),
    [
        ("mc-cnn-fast", 111_424, 9),
        ("mc-cnn-accurate", 870_449, 9),
        ("mc-cnn-fast-middlebury", 148_352, 11),
        ("mc-cnn-accurate-middlebury", 835_617, 11),
    ],
)
def test_the_rows_have_the_sizes_of_the_paper(name: str, weights: int, side: int) -> None:
    assert sum(math.prod(shape) for shape in weight_shapes(NetworkConfig(system=name)).values()) == weights
    spec = SYSTEMS[name].network
    assert isinstance(spec, StereoSpec) and spec.side_px == side and not describes(NetworkConfig(system=name))


@pytest.mark.parametrize("name", ROWS)
def test_the_shapes_of_the_weights_are_known_without_building_the_network(name: str) -> None:
    config = NetworkConfig(system=name)
    built = {name: tuple(v.shape) for name, v in named_variables(build_network(config)).items()}
    assert built == weight_shapes(config)


@pytest.mark.parametrize("spec", [SMALL, SMALL_HEAD], ids=["dot", "head"])
def test_a_picture_is_compared_pixel_by_pixel_as_its_patches_are(spec: StereoSpec) -> None:
    network = build_stereo_network(spec, "small", seed=3)
    pair = np.random.default_rng(0).normal(size=(2, 1, 7, 8, 1)).astype(np.float32)
    whole = network(list(pair))["mismatch"].numpy()
    side = spec.side_px
    assert whole.shape == (1, 8 - side, 9 - side)
    for y, x in np.ndindex(whole.shape[1:]):
        patches = [picture[:, y : y + side, x : x + side] for picture in pair]
        assert network(patches)["mismatch"].numpy()[0, 0, 0] == pytest.approx(whole[0, y, x], abs=1e-5)


def test_a_patch_is_nearest_to_itself_and_its_description_has_unit_length() -> None:
    network = build_stereo_network(SMALL, "small")
    patches = np.random.default_rng(1).normal(size=(5, 5, 5, 1)).astype(np.float32)
    described = {layer.name: layer for layer in network.layers}["describe"](patches).numpy()
    np.testing.assert_allclose(np.linalg.norm(described, axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(network([patches, patches])["mismatch"].numpy(), -1.0, rtol=1e-5)


def test_full_layers_begin_with_the_difference_of_the_descriptions() -> None:
    network = build_stereo_network(SMALL_HEAD, "small")
    kernel = named_variables(network)["head/conv_1/kernel"].numpy()
    np.testing.assert_array_equal(kernel[..., :4, :], -kernel[..., 4:, :])
    patches = np.random.default_rng(2).normal(size=(4, 3, 3, 1)).astype(np.float32)
    assert np.ptp(network([patches, patches])["mismatch"].numpy()) == pytest.approx(0.0, abs=1e-6)


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (named_variables(build_stereo_network(SMALL_HEAD, "small", seed)) for seed in (1, 1, 2))
    assert all((first[name].numpy() == same[name].numpy()).all() for name in first)
    assert (first["describe/conv_1/kernel"].numpy() != other["describe/conv_1/kernel"].numpy()).any()


def test_pictures_are_standardised_each_by_itself_and_one_grey_level_becomes_zeros() -> None:
    pictures = np.random.default_rng(3).random((3, 4, 5, 1)).astype(np.float32)
    pictures[2] = 0.5
    found = standardise_pictures(tf.constant(pictures)).numpy()
    for picture, standard in zip(pictures[:2], found[:2], strict=True):
        np.testing.assert_allclose(standard, (picture - picture.mean()) / picture.std(), atol=1e-5)
    assert not found[2].any()
