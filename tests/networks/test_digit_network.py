"""Networks of digits: the shapes of their weights, and that a new transformer changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network, describes, weight_shapes
from superpoint_tf.networks.digit_network import cropped_grid
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import WeightsError, get_weights, load_network
from superpoint_tf.systems.digit_systems import DIGIT_SIDE_PX, DIGIT_SYSTEMS, TRANSFORMERS

PICTURES = tf.random.stateless_uniform((3, DIGIT_SIDE_PX, DIGIT_SIDE_PX, 1), (0, 1))


@pytest.mark.parametrize("system", DIGIT_SYSTEMS)
def test_weights_have_the_shapes_that_the_row_says(system: str) -> None:
    config = NetworkConfig(system=system)
    network = build_network(config)
    assert {name: tuple(v.shape) for name, v in named_variables(network).items()} == weight_shapes(config)
    assert network(PICTURES)["logits"].shape == (3, 10)
    assert not describes(config)


@pytest.mark.parametrize("family", ["fcn", "cnn"])
def test_every_row_begins_as_the_network_without_a_transformer(family: str) -> None:
    plain = build_network(NetworkConfig(system=f"digits-{family}"), seed=3)(PICTURES)["logits"]
    for kind in TRANSFORMERS:
        network = build_network(NetworkConfig(system=f"st-{family}-{kind}"), seed=3)
        np.testing.assert_allclose(network(PICTURES)["logits"], plain, atol=1e-5)
        tape_of_all_weights(network)


def tape_of_all_weights(network: tf.keras.Model) -> None:
    """Check that the transformer's weights are trained from the first step on."""
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.square(network(PICTURES)["logits"]))
    front = network.get_layer("front")
    assert all(np.abs(slope).max() > 0 for slope in tape.gradient(total, front.trainable_weights))


def test_what_is_cropped_is_the_whole_picture_at_first_and_what_the_bias_says_later() -> None:
    network = build_network(NetworkConfig(system="st-cnn-affine"))
    grid = cropped_grid(network, PICTURES)
    np.testing.assert_allclose(grid[:, 0, 0], -np.ones((3, 2)))
    np.testing.assert_allclose(grid[:, -1, -1], np.ones((3, 2)))
    network.get_layer("front").bias.assign([0.5, 0, 0.1, 0, 0.5, 0])
    np.testing.assert_allclose(cropped_grid(network, PICTURES)[0, 0, 0], [-0.4, -0.5], atol=1e-6)
    assert cropped_grid(build_network(NetworkConfig(system="digits-cnn")), PICTURES) is None


def test_it_is_no_model_of_patches_and_none_of_pictures(tmp_path: Path) -> None:
    config = NetworkConfig(system="digits-fcn")
    get_weights(build_network(config), config).save(tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match=r"digits-fcn tells digits apart; name weights of a patch system"):
        PatchModel.from_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"digits-fcn gives classes, not maps"):
        load_network(tmp_path)
