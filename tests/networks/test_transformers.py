"""Layers that warp what they read: their identities, their definitions by loops, their gradients, any size and mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.networks.initialization import ScaledNormal
from superpoint_tf.networks.transformers import (
    TAPS,
    TRANSFORMS,
    DeformableConvolution,
    SpatialTransformer,
    convolutional_transformer,
)

KERNEL = ScaledNormal(2.0, 0, "kernel")
FEATURES = tf.random.stateless_normal((2, 5, 6, 3), (0, 1))


def deformable(kind: str, **settings: Any) -> DeformableConvolution:
    return DeformableConvolution("deformed", 4, settings.pop("side", 3), kind, KERNEL, **settings)


def moved(layer: DeformableConvolution, deviation: float = 0.5) -> DeformableConvolution:
    """Give what estimates the warps random weights."""
    layer(FEATURES)
    for number, weight in enumerate(layer.weights[1:]):
        noise = tf.random.stateless_normal(
            tuple(weight.shape), (7, number), stddev=deviation / np.sqrt(weight.shape[0])
        )
        weight.assign(tf.convert_to_tensor(weight) + noise / 3.0)
    return layer


# ------------------------------------------------------------------------------------------- the spatial transformer


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_new_spatial_transformer_is_the_identity_whatever_its_localisation_says(kind: str) -> None:
    layer = SpatialTransformer("front", kind)
    np.testing.assert_allclose(layer([FEATURES, tf.fill((2, 4), 3.0)]), FEATURES, atol=1e-6)
    assert [weight.shape for weight in layer.weights] == [(4, len(TRANSFORMS[kind].identity)), layer.bias.shape]


@pytest.mark.parametrize(("kind", "count"), [("affine", 6), ("attention", 3), ("projective", 8), ("spline", 32)])
def test_each_kind_has_the_paper_s_number_of_parameters(kind: str, count: int) -> None:
    assert len(TRANSFORMS[kind].identity) == count


def test_the_output_may_have_another_shape() -> None:
    layer = SpatialTransformer("front", "attention", (3, 3))
    output = layer([FEATURES, tf.zeros((2, 1))])
    assert output.shape == (2, 3, 3, 3) == layer.compute_output_shape([FEATURES.shape, (2, 1)])
    np.testing.assert_allclose(output[:, ::2, ::2], FEATURES.numpy()[:, ::4, ::5], atol=1e-6)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_gradients_reach_features_and_parameters_as_they_do_numerically(kind: str) -> None:
    layer = SpatialTransformer("front", kind)
    features, hidden = FEATURES[:1, :4, :4, :1], tf.ones((1, 1))
    layer([features, hidden])
    # off the identity, where reads lie between pixels and some over the border
    start = tf.random.stateless_uniform(tuple(layer.kernel.shape), (5, 6), 0.06, 0.11)
    weights = tf.random.stateless_normal((1, 4, 4, 1), (2, 3))

    def read(features: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        layer.kernel.assign(kernel)
        return tf.reduce_sum(layer([features, hidden]) * weights)

    with tf.GradientTape() as tape:
        tape.watch(features)
        total = read(features, start)
    exact = tape.gradient(total, [features, layer.trainable_weights[0]])
    for place in (0, 1):
        numerical = _numerical(read, (features, start), place)
        np.testing.assert_allclose(tf.reshape(exact[place], (-1,)), numerical, atol=5e-3)


def _numerical(read: Any, values: tuple[tf.Tensor, ...], place: int, delta: float = 2e-3) -> np.ndarray:
    slopes = []
    for number in range(int(tf.size(values[place]))):
        ends = []
        for sign in (1, -1):
            changed = [value.numpy().copy() for value in values]
            changed[place].flat[number] += sign * delta
            ends.append(float(read(*(tf.constant(value) for value in changed))))
        slopes.append((ends[0] - ends[1]) / (2 * delta))
    return np.array(slopes)


# -------------------------------------------------------------------------------------------- deformable convolutions


@pytest.mark.parametrize("kind", TAPS)
@pytest.mark.parametrize("side", [1, 3, 5])
def test_a_new_modulated_one_is_half_an_ordinary_convolution_to_the_border(kind: str, side: int) -> None:
    layer = deformable(kind, side=side)
    output = layer(FEATURES)
    np.testing.assert_allclose(output, tf.nn.conv2d(FEATURES, layer.kernel, 1, "SAME") / 2, atol=2e-6)
    assert output.shape == layer.compute_output_shape(FEATURES.shape)


@pytest.mark.parametrize("kind", TAPS)
def test_a_new_one_without_amplitudes_is_an_ordinary_convolution(kind: str) -> None:
    layer = deformable(kind, modulated=False, bias=True)
    np.testing.assert_allclose(layer(FEATURES), tf.nn.conv2d(FEATURES, layer.kernel, 1, "SAME"), atol=4e-6)


def test_a_new_convolutional_transformer_is_an_ordinary_convolution_and_its_maps_come_of_three_layers() -> None:
    layer = convolutional_transformer("warped", 4, 3, KERNEL)
    np.testing.assert_allclose(layer(FEATURES), tf.nn.conv2d(FEATURES, layer.kernel, 1, "SAME"), atol=4e-6)
    kernels = [tuple(weight.shape) for weight in layer.weights if len(weight.shape) == 4]
    assert kernels == [(3, 3, 3, 4), (1, 1, 3, 32), (1, 1, 32, 32), (1, 1, 32, 6)]


def test_warped_neighbourhoods_side_by_side_at_stride_k_are_the_same_layer() -> None:
    layer = moved(convolutional_transformer("warped", 4, 3, KERNEL), 3.0)
    batch, height, width, channels = FEATURES.shape
    taps = tf.reshape(layer.taps(FEATURES), (batch, height, width, 3, 3, channels))
    tiled = tf.reshape(tf.transpose(taps, (0, 1, 3, 2, 4, 5)), (batch, 3 * height, 3 * width, channels))
    expected = tf.nn.conv2d(tiled, layer.kernel, 3, "VALID") + layer.bias
    ordinary = tf.nn.conv2d(FEATURES, layer.kernel, 1, "SAME") + layer.bias
    np.testing.assert_allclose(layer(FEATURES), expected, atol=1e-5)
    assert np.abs(expected - ordinary).max() > 0.1


def taps_by_definition(kind: str, numbers: np.ndarray) -> np.ndarray:
    """Return where the nine taps of a pixel lie about it, (9, 2) xy, float64."""
    taps = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)], np.float64)
    if kind == "free":
        return taps + numbers.reshape(9, 2)
    if kind == "matrix":
        return taps @ numbers[:4].reshape(2, 2).T + numbers[4:]
    scale = np.exp(np.tanh(numbers[0]))
    if kind == "affine":
        cosine, sine = numbers[1:] / np.hypot(*numbers[1:])
        return scale * taps @ np.array([[cosine, -sine], [sine, cosine]]).T
    rows, right = [], []
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    for (u, v), (x, y) in zip(corners, corners + 0.95 * np.tanh(numbers[1:].reshape(4, 2)), strict=True):
        rows += [[u, v, 0, 0, -x * u, -x * v], [0, 0, u, v, -y * u, -y * v]]
        right += [x, y]
    a, b, c, d, g, h = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    mapped = taps @ np.array([[a, b], [c, d], [g, h]]).T + [0, 0, 1]
    return scale * mapped[:, :2] / mapped[:, 2:]


def convolution_by_definition(layer: DeformableConvolution, kind: str) -> np.ndarray:
    numbers, amplitudes = (value.numpy().astype(np.float64) for value in layer.estimate(FEATURES))
    features = FEATURES.numpy().astype(np.float64)
    kernel = tf.convert_to_tensor(layer.kernel).numpy().astype(np.float64).reshape(9, 3, 4)
    batch, height, width, _ = features.shape
    result = np.zeros((batch, height, width, 4))
    for place in np.ndindex(batch, height, width):
        b, row, column = place
        for tap, (x, y) in enumerate(taps_by_definition(kind, numbers[place]) + np.array([column, row])):
            value = np.zeros(3)
            for n in range(height):
                for m in range(width):
                    value += features[b, n, m] * max(0, 1 - abs(x - m)) * max(0, 1 - abs(y - n))
            result[place] += value @ kernel[tap] / (1 + np.exp(-amplitudes[place][tap]))
    return result


@pytest.mark.parametrize("kind", TAPS)
def test_moved_taps_are_read_as_the_definition_says(kind: str) -> None:
    layer = moved(deformable(kind))
    expected = convolution_by_definition(layer, kind)
    np.testing.assert_allclose(layer(FEATURES), expected, atol=2e-4)
    assert np.abs(expected - tf.nn.conv2d(FEATURES, layer.kernel, 1, "SAME") / 2).max() > 0.05


@pytest.mark.parametrize("kind", TAPS)
def test_gradients_reach_features_and_all_weights_as_they_do_numerically(kind: str) -> None:
    layer, features = moved(deformable(kind)), FEATURES[:1, :3, :3]
    weights = tf.random.stateless_normal((1, 3, 3, 4), (8, 9))

    def total() -> tf.Tensor:
        return tf.reduce_sum(layer(features) * weights)

    with tf.GradientTape() as tape:
        value = total()
    slopes = tape.gradient(value, layer.trainable_weights)
    assert all(np.abs(slope).max() > 0 for slope in slopes)
    delta = 1e-3
    for weight, slope in zip(layer.trainable_weights, slopes, strict=True):
        before = tf.convert_to_tensor(weight).numpy()
        direction = np.random.default_rng(0).normal(size=before.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        ends = []
        for sign in (1, -1):
            weight.assign(before + sign * delta * direction)
            ends.append(float(total()))
        weight.assign(before)
        assert (ends[0] - ends[1]) / (2 * delta) == pytest.approx(float(tf.reduce_sum(slope * direction)), abs=2e-2)


@pytest.mark.parametrize("kind", TAPS)
def test_networks_with_them_take_any_size_in_a_graph(kind: str) -> None:
    pictures = tf.keras.Input((None, None, 3))
    network = tf.keras.Model(pictures, deformable(kind)(pictures))
    compiled = tf.function(lambda x: network(x))
    for shape in ((1, 5, 6, 3), (2, 1, 4, 3), (1, 1, 1, 3)):
        features = tf.random.stateless_normal(shape, (0, 2))
        kernel = network.layers[-1].kernel
        np.testing.assert_allclose(compiled(features), tf.nn.conv2d(features, kernel, 1, "SAME") / 2, atol=2e-6)


def test_first_weights_are_of_the_seed_alone() -> None:
    layers = [convolutional_transformer("warped", 4, 3, KERNEL, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (layer(FEATURES) is not None and layer.weights[2].numpy() for layer in layers)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_half_precision_features_give_half_precision() -> None:
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer = deformable("homography")
        output = layer(tf.cast(FEATURES, tf.float16))
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
    assert output.dtype == tf.float16
    np.testing.assert_allclose(
        output, tf.nn.conv2d(FEATURES, tf.cast(layer.kernel, tf.float32), 1, "SAME") / 2, atol=0.03
    )
