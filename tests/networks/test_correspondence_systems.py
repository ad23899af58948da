"""UCN and FCSS as networks: sizes, strides, where their first feature is, and the transformer's start."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.googlenet import INCEPTIONS
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import SYSTEMS
from superpoint_tf.systems.correspondence_systems import CORRESPONDENCE_SYSTEMS

SMALL = ("ucn", "ucn-st", "ucn-small", "ucn-small-st", "fcss-backbone-small")


@pytest.mark.parametrize("name", CORRESPONDENCE_SYSTEMS)
def test_shapes_of_weights_are_known_without_building_the_network(name):
    config = NetworkConfig(system=name)
    built = {key: tuple(value.shape) for key, value in named_variables(build_network(config)).items()}
    assert weight_shapes(config) == built


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(32, 40), (1, 9), (30, 21)])
def test_maps_cover_pictures_of_any_size(name, shape):
    spec = SYSTEMS[name].network
    found = build_network(NetworkConfig(system=name))(tf.random.uniform((2, *shape, 1)))["descriptors"]
    assert found.shape == (2, *(-(-side // 4) * 4 // spec.stride for side in shape), spec.dimension)
    assert np.isfinite(found).all()


def test_fcss_describes_by_192_numbers_in_2_x_2_pixels():
    network = build_network(NetworkConfig(system="fcss-small"))
    found = tf.function(network)(tf.random.uniform((1, 16, 24, 1)))["descriptors"]
    assert found.shape == (1, 8, 12, 192)
    for level in range(3):
        lengths = np.linalg.norm(found[..., 64 * level : 64 * level + 64], axis=-1)
        np.testing.assert_allclose(lengths, 1.0, atol=1e-4)


def test_googlenet_is_that_of_the_paper():
    # Szegedy et al. 2015, table 1: output channels of 3a, 3b, 4a
    assert [sizes.channels for sizes in INCEPTIONS.values()] == [256, 480, 512]


@pytest.mark.parametrize("plain, transformed", [("ucn", "ucn-st"), ("ucn-small", "ucn-small-st")])
def test_the_transformer_begins_as_an_ordinary_convolution(plain, transformed):
    networks = [build_network(NetworkConfig(system=name)) for name in (plain, transformed)]
    first, second = (named_variables(network) for network in networks)
    renamed = {"transformer_1": "conv_9"}
    for key, variable in second.items():
        layer, _, weight = key.partition("/")
        if "deform" not in weight:
            variable.assign(first[f"{renamed.get(layer, layer)}/{weight}"])
    pictures = tf.random.uniform((1, 24, 32, 1), seed=1)
    maps = [network(pictures)["descriptors"].numpy() for network in networks]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-4)


@pytest.mark.parametrize("name", ["ucn", "ucn-small", "fcss-backbone-small"])
def test_the_first_feature_sees_about_the_pixel_that_its_row_says(name):
    """The gradient of a middle feature by the picture is centred on stride i + first_px."""
    spec = SYSTEMS[name].network
    network = build_network(NetworkConfig(system=name))
    rng = np.random.default_rng(0)
    centres = []
    for _ in range(6):
        picture = tf.constant(rng.uniform(size=(1, 96, 96, 1)), tf.float32)
        row = 48 // spec.stride
        with tf.GradientTape() as tape:
            tape.watch(picture)
            value = tf.reduce_sum(network(picture)["descriptors"][0, row, row] * rng.normal(size=spec.dimension))
        weight = np.square(tape.gradient(value, picture).numpy()[0, ..., 0])
        x, y = np.meshgrid(np.arange(96), np.arange(96))
        centres.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
    expected = spec.stride * (48 // spec.stride) + spec.first_px
    np.testing.assert_allclose(np.mean(centres, axis=0), expected, atol=1.5)


def test_people_describe_given_keypoints_with_them_and_find_none():
    from superpoint_tf.models import SuperPoint

    model = SuperPoint(build_network(NetworkConfig(system="ucn-small")))
    image = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    described = model.describe(image, [[3.5, 4.0], [30.25, 20.75]])
    assert described.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1.0, atol=1e-4)
    features = model.extract(image)
    assert len(features.keypoints) == 0 and features.descriptors.shape == (0, 128)
