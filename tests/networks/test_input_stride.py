"""Blocks of pixels put one behind the other before the first layer: sizes, phases, weights files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError, NetworkConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.superpoint import SpaceToDepth, named_variables
from superpoint_tf.networks.weights import WeightsError, assign_weights, get_weights, load_network, load_weights
from superpoint_tf.networks.widening import can_widen

PLAIN = NetworkConfig(width=1 / 8, batch_norm=False, descriptor_dim=8)
STRIDES = (1, 2, 4)
WEIGHTS_OF_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def of(stride: int) -> NetworkConfig:
    return dataclasses.replace(PLAIN, input_stride=stride)


def answers(model: tf.keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model(images, training=False).items()}


def test_a_block_is_put_row_by_row() -> None:
    image = tf.reshape(tf.range(16.0), (1, 4, 4, 1))
    np.testing.assert_array_equal(SpaceToDepth(2)(image)[0, 0, 1], [2.0, 3.0, 6.0, 7.0])


@pytest.mark.parametrize("stride", STRIDES)
def test_cells_are_of_8_pixels_whatever_the_stride(stride: int) -> None:
    found = answers(build_network(of(stride)), np.zeros((2, 41, 50, 1), np.float32))
    assert found["logits"].shape == (2, 6, 7, 65)
    assert found["descriptors"].shape == (2, 6, 7, 8)


@pytest.mark.parametrize("stride", STRIDES)
def test_a_picture_moved_by_a_cell_moves_the_answers(stride: int) -> None:
    picture = np.random.default_rng(0).random((1, 128, 128, 1), np.float32)
    model = build_network(of(stride))
    still, moved = (answers(model, each)["logits"] for each in (picture, np.roll(picture, 8, axis=2)))
    inside = slice(6, -6)  # farther from the frame than the network sees
    np.testing.assert_allclose(moved[:, inside, 7:-6], still[:, inside, 6:-7], atol=1e-5)
    assert np.abs(moved[:, inside, 7:-6] - still[:, inside, 7:-6]).max() > 1e-3


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    (side, *_), (_, height, width, _) = kernel.shape, x.shape
    around = np.pad(x, ((0, 0), *[(side // 2, side // 2)] * 2, (0, 0)))
    shifts = np.ndindex(side, side)
    return sum((around[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in shifts), bias)


def forward(images: np.ndarray, weights: dict[str, np.ndarray], stride: int) -> dict[str, np.ndarray]:
    """Return the answers to images (B, H, W, 1) in float64, by loops over taps and blocks."""
    height, width = images.shape[1:3]
    x = np.pad(images.astype(np.float64), ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0)), "edge")
    x = np.concatenate([x[:, i::stride, j::stride] for i, j in np.ndindex(stride, stride)], axis=-1)

    def layer(x: np.ndarray, name: str, relu: bool = True) -> np.ndarray:
        x = convolve(x, weights[f"{name}/kernel"], weights[f"{name}/bias"])
        x = np.maximum(x, 0) if relu else x
        if f"{name}_bn/gamma" not in weights:
            return x
        gamma, beta, mean, variance = (weights[f"{name}_bn/{w}"] for w in WEIGHTS_OF_BATCH_NORM)
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    pooled = ["1b", "2b", "3b"][{1: 0, 2: 1, 4: 2}[stride] :]
    for name in ("1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"):
        x = layer(x, f"encoder_{name}")
        if name in pooled:
            x = np.max([x[:, i::2, j::2] for i, j in np.ndindex(2, 2)], axis=0)
    heads = {"logits": "detector", "descriptors": "descriptor"}
    return {output: layer(layer(x, f"{head}_a"), f"{head}_b", relu=False) for output, head in heads.items()}


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_answers_are_those_of_sums_in_float64(stride: int, batch_norm: bool) -> None:
    random = np.random.default_rng(stride)
    model = build_network(dataclasses.replace(of(stride), batch_norm=batch_norm))
    for name, variable in named_variables(model).items():
        if not name.endswith("kernel"):  # zeros and ones would hide an order or a place
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    weights = {name: variable.numpy().astype(np.float64) for name, variable in named_variables(model).items()}
    for height, width in ((24, 16), (13, 18)):
        images = random.random((2, height, width, 1), np.float32)
        found = answers(model, images)
        for name, expected in forward(images, weights, stride).items():
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_pixels_of_one_block_are_told_apart() -> None:
    model = build_network(of(4))
    pictures = np.zeros((2, 64, 64, 1), np.float32)
    pictures[0, 32, 32], pictures[1, 33, 34] = 1.0, 1.0
    first, second = answers(model, pictures)["logits"]
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize("stride", STRIDES)
def test_weights_are_those_of_the_network(stride: int, tmp_path) -> None:
    network = of(stride)
    model = build_network(network)
    assert {name: tuple(v.shape) for name, v in named_variables(model).items()} == weight_shapes(network)
    get_weights(model, network).save(tmp_path / "weights.npz")
    again, weights = load_network(tmp_path / "weights.npz")
    assert weights.network == network
    picture = np.random.default_rng(1).random((1, 40, 48, 1), np.float32)
    np.testing.assert_array_equal(answers(again, picture)["logits"], answers(model, picture)["logits"])


def test_weights_of_another_stride_do_not_fit(tmp_path) -> None:
    get_weights(build_network(of(2)), of(2)).save(tmp_path / "weights.npz")
    weights = load_weights(tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match="encoder_1a/kernel"):
        assign_weights(build_network(PLAIN), weights, "here")
    assert not can_widen(weights, dataclasses.replace(PLAIN, width=0.5))


def test_other_strides_are_refused() -> None:
    with pytest.raises(ConfigError, match="input_stride"):
        build_config({"network": {"input_stride": 3}})
