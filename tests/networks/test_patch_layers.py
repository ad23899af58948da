"""The layers of patch networks against loops over pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.networks.patch_layers import (
    STARTS,
    Convolution,
    Difference,
    Nearness,
    Pooling,
    PyramidPooling,
    Sign,
    SubtractLocalMean,
    named_layers,
)
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import PatchSpec
from superpoint_tf.systems.system import bn, conv, dropout, fc, l2, pool, relu, sign, spp, subtract, tanh

RANDOM = np.random.default_rng(0)


def features(height: int, width: int, channels: int = 2) -> np.ndarray:
    values: np.ndarray = RANDOM.normal(size=(2, height, width, channels)).astype(np.float32)
    return values


def pool_by_loops(values: np.ndarray, reduce: Any, side: int, stride: int, ceil: bool) -> np.ndarray:
    rounding = np.ceil if ceil else np.floor
    rows, columns = (int(rounding((length - side) / stride)) + 1 for length in values.shape[1:3])
    pooled = np.zeros((len(values), rows, columns, values.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            y, x = stride * row, stride * column
            pooled[:, row, column] = reduce(values[:, y : y + side, x : x + side])
    return pooled


def root_of_squares(window: np.ndarray) -> np.ndarray:
    roots: np.ndarray = np.sqrt(np.square(window).sum((1, 2)))
    return roots


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("side", "stride"), [(2, 2), (3, 2), (3, 3), (4, 4)])
@pytest.mark.parametrize("height, width", [(8, 8), (9, 11), (10, 7)])
def test_pooling_covers_whole_windows_or_with_ceil_the_last_pixels_too(
    height: int, width: int, side: int, stride: int, ceil: bool
) -> None:
    values = features(height, width) - 5.0  # all below 0: a padding with zeros would win
    for kind, reduce in (("max", lambda window: window.max((1, 2))), ("l2", root_of_squares)):
        pooled = Pooling("pool", kind, side, stride, ceil)(values)
        np.testing.assert_allclose(pooled, pool_by_loops(values, reduce, side, stride, ceil), rtol=1e-5)


def test_matchnets_pooling_halves_64_pixels_three_times() -> None:
    sides = [64]
    for _ in range(3):
        sides.append(Pooling("pool", "max", 3, 2, True)(tf.zeros((1, sides[-1], sides[-1], 1))).shape[1])
    assert sides == [64, 32, 16, 8]


def test_the_gradient_of_l2_pooling_is_finite_where_all_is_0() -> None:
    zeros = tf.zeros((1, 2, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        pooled = Pooling("pool", "l2", 2, 2, False)(zeros)
    assert np.isfinite(tape.gradient(pooled, zeros)).all()


def test_the_local_mean_is_over_all_channels_under_a_gaussian_and_over_what_is_there() -> None:
    values = features(6, 7, 3)
    expected = values.astype(np.float64)
    for y in range(6):
        for x in range(7):
            total, weight = np.zeros(len(values)), 0.0
            for v in range(max(0, y - 2), min(6, y + 3)):
                for u in range(max(0, x - 2), min(7, x + 3)):
                    gaussian = np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * 1.25**2))
                    total += gaussian * values[:, v, u].sum(-1)
                    weight += 3 * gaussian
            expected[:, y, x] -= (total / weight)[:, None]
    np.testing.assert_allclose(SubtractLocalMean("subtract", 5)(values), expected, atol=1e-5)


def test_a_constant_map_minus_its_local_mean_is_0_up_to_the_corner() -> None:
    np.testing.assert_allclose(SubtractLocalMean("subtract", 5)(tf.fill((1, 6, 6, 2), 3.0)), 0, atol=1e-5)


@pytest.mark.parametrize("height, width", [(4, 4), (8, 12), (5, 7), (1, 2), (13, 4)])
def test_a_pyramid_has_the_maxima_of_parts_that_cover_a_map_of_any_size(height: int, width: int) -> None:
    values = features(height, width)
    pooled = PyramidPooling("spp", 4)(values).numpy()
    assert pooled.shape == (2, 4, 4, 2)
    for row in range(4):
        for column in range(4):
            rows = slice(int(np.floor(row * height / 4)), int(np.ceil((row + 1) * height / 4)))
            columns = slice(int(np.floor(column * width / 4)), int(np.ceil((column + 1) * width / 4)))
            np.testing.assert_array_equal(pooled[:, row, column], values[:, rows, columns].max((1, 2)))


def test_signs_are_1_above_0_and_else_minus_1_and_in_training_nothing_is_cut() -> None:
    values = tf.constant([[-0.5, 0.0, 0.2]])
    np.testing.assert_array_equal(Sign("sign")(values), [[-1, -1, 1]])
    np.testing.assert_array_equal(Sign("sign")(values, training=True), values)


def test_a_softmax_of_two_has_the_difference_as_its_logit() -> None:
    logits = tf.constant([[0.3, 1.1], [2.0, -1.0]])
    np.testing.assert_allclose(tf.sigmoid(Difference("d")(logits)), tf.nn.softmax(logits)[:, 1], rtol=1e-5)


def test_nearness_is_1_for_equal_vectors_and_minus_1_for_opposite_ones_of_unit_length() -> None:
    joined = tf.constant([[0.6, 0.8, 0.6, 0.8], [0.6, 0.8, -0.6, -0.8], [1.0, 0.0, 0.0, 1.0]])
    np.testing.assert_allclose(Nearness("n")(joined), [1, -1, 1 - np.sqrt(2)], atol=1e-5)


def test_layers_are_numbered_by_kind_and_those_without_weights_named_after_them() -> None:
    layers = (conv(4), bn(), relu(), conv(4), pool("max", 2), fc(8), relu(), fc(1))
    names = ["conv_1", "conv_1_bn", "conv_1_relu", "conv_2", "conv_2_pool", "fc_1", "fc_1_relu", "fc_2"]
    assert [name for name, _ in named_layers(layers)] == names


@pytest.mark.parametrize(("start", "variance"), [("relu", 2.0), ("tanh", 1.0)])
def test_first_kernels_keep_the_variance_of_what_they_read(start: str, variance: float) -> None:
    kernel = STARTS[start](0, "conv_1")((5, 5, 16, 32)).numpy()
    assert kernel.var() * 5 * 5 * 16 == pytest.approx(variance, rel=0.05)


def test_a_compiled_step_through_every_kind_of_layer_finds_the_gradients_of_an_eager_one() -> None:
    layers = (
        *(conv(4, 3, "valid", bias=True), tanh(), pool("l2", 2), subtract(5)),
        *(conv(6, stride=2), bn(), relu(), pool("max", 3, 2, ceil=True)),
        *(spp(2), fc(5), dropout(0.5), l2(), sign()),
    )
    network = build_patch_network(PatchSpec(26, "instance", layers, start="relu"), "all")
    variables = list(named_variables(network, only_trainable=True).values())
    some = RANDOM.random((4, 26, 26, 1)).astype(np.float32)

    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.range(5.0) * network(some, training=True)["vector"])
        gradients: list[tf.Tensor] = tape.gradient(total, variables)
        return gradients

    for eager, compiled in zip(step(), tf.function(step, jit_compile=True)(), strict=True):
        np.testing.assert_allclose(compiled, eager, atol=1e-3)
        assert np.abs(eager).max() > 0


def test_a_convolution_pads_half_its_side_on_every_side_and_adds_its_offset() -> None:
    layer = Convolution("conv_1", 3, 3, 2, 1, True, "ones")
    values = features(5, 6)
    layer(values)
    layer.bias.assign([0.0, 1.0, 2.0])
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((2, 3, 3, 3))
    for row in range(3):
        for column in range(3):
            window = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            expected[:, row, column] = window.sum((1, 2, 3))[:, None] + np.arange(3)
    np.testing.assert_allclose(layer(values), expected, rtol=1e-4, atol=1e-5)
