"""The network: its weights, its shapes, what it does at the edges and at the start of training."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.losses.detector_loss import count_cells, detector_loss
from superpoint_tf.networks import batch_norm
from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import PadToCells, normalize_descriptors, scale_channels

PLAIN = NetworkConfig(batch_norm=False)
SMALL = NetworkConfig(width=1 / 8, batch_norm=False, descriptor_dim=16)


@pytest.fixture
def half_precision() -> Iterator[None]:
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf.keras.mixed_precision.set_global_policy(before)


def test_full_width_without_batch_norm_has_the_papers_1300865_weights() -> None:
    assert build_network(PLAIN).count_params() == 1_300_865


def test_the_detector_alone_is_the_same_network_without_the_descriptor_head() -> None:
    detector, joint = build_network(PLAIN.with_system("magicpoint")), build_network(PLAIN)
    head = 128 * 256 * 9 + 256 + 256 * 256 + 256
    assert detector.count_params() == 1_300_865 - head
    names = {layer.name for layer in joint.layers}
    assert names - {layer.name for layer in detector.layers} == {"descriptor_a", "descriptor_b", "descriptors"}
    assert set(detector.output) == {"logits"}


def test_batch_norm_follows_every_relu_and_both_last_convolutions() -> None:
    network = build_network(NetworkConfig())
    convolutions = [layer for layer in network.layers if isinstance(layer, tf.keras.layers.Conv2D)]
    channels = sum(layer.filters for layer in convolutions)
    assert network.count_params() == 1_300_865 + 4 * channels
    for layer in convolutions:
        normalization = network.get_layer(f"{layer.name}_bn")
        assert normalization.input is layer.output
        assert isinstance(normalization, BatchNormalization)
    assert (batch_norm.EPSILON, batch_norm.MOMENTUM) == (1e-3, 0.99)
    activations = {layer.name: layer.activation.__name__ for layer in convolutions}
    assert activations["encoder_4b"] == activations["detector_a"] == "relu"
    assert activations["detector_b"] == activations["descriptor_b"] == "linear"


@pytest.mark.parametrize(("width", "expected"), [(1.0, 64), (0.5, 32), (0.25, 16), (1 / 16, 8), (1.4, 88)])
def test_width_scales_channels_to_multiples_of_eight(width: float, expected: int) -> None:
    assert scale_channels(64, width) == expected


def test_width_leaves_logits_and_descriptor_dimension_alone() -> None:
    outputs = build_network(SMALL)(tf.zeros((1, 16, 24, 1)))
    assert outputs["logits"].shape == (1, 2, 3, 65)
    assert outputs["descriptors"].shape == (1, 2, 3, 16)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 9), (17, 30), (33, 8)])
def test_any_height_and_width_gives_a_cell_for_every_pixel(height: int, width: int) -> None:
    network = build_network(SMALL)
    images = tf.random.stateless_uniform((2, height, width, 1), (0, 1))
    expected = (2, -(-height // 8), -(-width // 8), 65)
    assert network(images)["logits"].shape == expected
    dynamic = tf.function(network, input_signature=[tf.TensorSpec((None, None, None, 1))])
    np.testing.assert_allclose(dynamic(images)["logits"], network(images)["logits"], atol=1e-5)


def test_padding_repeats_the_edge_and_never_invents_zeros() -> None:
    image = tf.reshape(tf.range(1.0, 7.0), (1, 2, 3, 1))
    padded = PadToCells()(image).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(padded, np.pad([[1, 2, 3], [4, 5, 6]], ((0, 6), (0, 5)), mode="edge"))


def test_an_image_of_whole_cells_is_not_touched() -> None:
    image = tf.random.stateless_uniform((1, 16, 8, 1), (0, 1))
    np.testing.assert_array_equal(PadToCells()(image), image)


def test_the_detector_loss_starts_near_ln_65() -> None:
    network = build_network(PLAIN.with_system("magicpoint"), seed=2)
    images = tf.random.stateless_uniform((2, 64, 64, 1), (0, 1))
    for label in (0, 17, 64):
        valid = tf.ones((2, 8, 8), tf.bool)
        total = detector_loss(network(images)["logits"], tf.fill((2, 8, 8), label), valid)
        assert float(total / count_cells(valid)) == pytest.approx(math.log(65), abs=0.15)


def test_outputs_are_float32_under_mixed_precision(half_precision: None) -> None:
    network = build_network(NetworkConfig(width=1 / 8))
    outputs = network(tf.zeros((1, 8, 8, 1)))
    assert network.get_layer("encoder_2a").compute_dtype == "bfloat16"
    assert outputs["logits"].dtype == outputs["descriptors"].dtype == tf.float32


def test_descriptors_get_unit_length_and_a_zero_vector_stays_zero_with_no_gradient() -> None:
    raw = tf.constant([[3.0, 4.0], [0.0, 0.0], [1e-3, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(raw)
        unit = normalize_descriptors(raw)
        total = tf.reduce_sum(unit * [[1.0, 2.0]])
    np.testing.assert_allclose(unit, np.array([[0.6, 0.8], [0, 0], [1, 0]]), rtol=1e-6)
    gradient = tape.gradient(total, raw).numpy()
    np.testing.assert_array_equal(gradient[1], [0, 0])
    np.testing.assert_allclose(gradient[0], [(1 - 2.2 * 0.6) / 5, (2 - 2.2 * 0.8) / 5], rtol=1e-5)


def test_half_precision_descriptors_are_normalised_in_float32() -> None:
    unit = normalize_descriptors(tf.fill((1, 256), tf.constant(300.0, tf.float16)))  # 300 squared overflows float16
    assert unit.dtype == tf.float32
    np.testing.assert_allclose(unit, 1 / 16, rtol=1e-6)
