"""Multiply-adds counted by hand."""

from __future__ import annotations

from superpoint_tf.benchmarks.convolutions import Convolution, forward_flops, list_convolutions, training_flops
from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network

# height, width, input channels, output channels, kernel area; at 16x24 and width 1
BY_HAND = {
    "encoder_1a": 16 * 24 * 1 * 64 * 9,
    "encoder_1b": 16 * 24 * 64 * 64 * 9,
    "encoder_2a": 8 * 12 * 64 * 64 * 9,
    "encoder_2b": 8 * 12 * 64 * 64 * 9,
    "encoder_3a": 4 * 6 * 64 * 128 * 9,
    "encoder_3b": 4 * 6 * 128 * 128 * 9,
    "encoder_4a": 2 * 3 * 128 * 128 * 9,
    "encoder_4b": 2 * 3 * 128 * 128 * 9,
    "detector_a": 2 * 3 * 128 * 256 * 9,
    "detector_b": 2 * 3 * 256 * 65,
    "descriptor_a": 2 * 3 * 128 * 256 * 9,
    "descriptor_b": 2 * 3 * 256 * 256,
}


def test_a_convolution_counts_output_elements_times_kernel_times_input_channels() -> None:
    convolution = Convolution("c", (4, 5, 3), (4, 5, 2), (3, 3))
    assert convolution.multiply_adds == 4 * 5 * 2 * 27
    assert convolution.flops == 2 * convolution.multiply_adds
    assert convolution.bytes_moved == 4 * (60 + 40)


def test_the_network_counts_as_by_hand() -> None:
    convolutions = list_convolutions(build_network(NetworkConfig()), (16, 24))
    assert {convolution.name: convolution.multiply_adds for convolution in convolutions} == BY_HAND
    assert forward_flops(convolutions) == 2 * sum(BY_HAND.values())
    assert training_flops(convolutions) == 6 * sum(BY_HAND.values()) - 2 * BY_HAND["encoder_1a"]


def test_a_picture_that_is_padded_counts_as_the_padded_one() -> None:
    model = build_network(NetworkConfig(width=0.125, system="magicpoint"))
    assert list_convolutions(model, (9, 20)) == list_convolutions(model, (16, 24))
