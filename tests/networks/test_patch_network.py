"""Networks that describe patches: HardNet's weights and shapes, its input, its padding, its dropout, its start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.distance_matrix import allowed
from superpoint_tf.losses.patch_points import LossSettings, Points
from superpoint_tf.losses.vector_losses import VECTOR_LOSSES, vector_loss
from superpoint_tf.networks.batch_norm import BatchNormalization
from superpoint_tf.networks.dropout import Dropout
from superpoint_tf.networks.orthogonal import ScaledOrthogonal
from superpoint_tf.networks.patch_inputs import Standardise
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.patch_shapes import patch_weight_shapes
from superpoint_tf.networks.superpoint import named_variables, precision_policy
from superpoint_tf.systems import SYSTEMS, Layer, PatchSpec
from superpoint_tf.systems.system import bn, conv, dropout, l2, relu

HARDNET: Any = SYSTEMS["hardnet"].network
SMALL = PatchSpec(
    8,
    "standardised",
    (conv(4), bn(), relu(), conv(8, stride=2), bn(), relu(), dropout(0.5), conv(6, 4, "valid"), bn(), l2()),
)


def patches(count: int, side: int, seed: int = 0) -> tf.Tensor:
    return tf.random.stateless_uniform((count, side, side, 1), (seed, 1))


# ------------------------------------------------------------------------------------------------ weights and shapes


def test_hardnet_has_1334560_trainable_weights_all_in_its_seven_kernels() -> None:
    network = build_patch_network(HARDNET, "hardnet")
    trainable = named_variables(network, only_trainable=True)
    assert sum(int(np.prod(variable.shape)) for variable in trainable.values()) == 1_334_560
    assert list(trainable) == [f"conv_{number}/kernel" for number in range(1, 8)]
    assert network.name == "hardnet" and set(network.output) == {"vector"}
    assert network.output["vector"].shape == (None, 128)


@pytest.mark.parametrize("spec", [HARDNET, SMALL], ids=["hardnet", "small"])
def test_the_shapes_of_the_weights_are_known_without_building_the_network(spec: PatchSpec) -> None:
    variables = named_variables(build_patch_network(spec, "any"))
    assert patch_weight_shapes(spec) == {name: tuple(variable.shape) for name, variable in variables.items()}


def test_vectors_have_unit_length_and_are_float32_under_mixed_precision() -> None:
    with precision_policy("mixed_bfloat16"):
        network = build_patch_network(SMALL, "small")
    assert network.get_layer("conv_1").compute_dtype == "bfloat16"
    for training in (False, True):
        vectors = network(patches(5, 8), training=training)["vector"]
        assert vectors.dtype == tf.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_input_or_a_layer_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="input 'raw' of odd is not known; use unit, minus mean"):
        build_patch_network(PatchSpec(8, "raw", ()), "odd")
    with pytest.raises(ValueError, match=r"layer 'fold' is not known; use conv, .*fc, bn, relu"):
        build_patch_network(PatchSpec(8, "standardised", (Layer("fold", {}),)), "odd")


# ------------------------------------------------------------------------------------------------ layers


def test_a_patch_gets_mean_0_and_unbiased_deviation_1() -> None:
    values = Standardise("input")(tf.reshape(tf.constant([0.1, 0.2, 0.3, 0.4]), (1, 2, 2, 1))).numpy().ravel()
    assert values.sum() == pytest.approx(0, abs=1e-6) and (values**2).sum() == pytest.approx(3, rel=1e-5)


def test_a_patch_of_one_grey_is_finite() -> None:
    assert np.isfinite(build_patch_network(SMALL, "small")(tf.fill((1, 8, 8, 1), 0.3))["vector"]).all()


def test_brightness_and_contrast_of_a_patch_do_not_matter() -> None:
    network, some = build_patch_network(SMALL, "small"), patches(3, 8)
    np.testing.assert_allclose(network(some)["vector"], network(0.2 + 0.5 * some)["vector"], atol=1e-4)


def test_mean_and_deviation_are_constants_to_the_gradient() -> None:
    some = tf.reshape(tf.constant([0.0, 0.0, 0.0, 1.0]), (1, 2, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(some)
        first = Standardise("input")(some)[0, 0, 0, 0]
    np.testing.assert_allclose(tape.gradient(first, some).numpy().ravel(), [2, 0, 0, 0], rtol=1e-5)  # 1 / deviation


def test_a_stride_reads_about_every_second_pixel_from_the_first_on() -> None:
    network = build_patch_network(PatchSpec(4, "standardised", (conv(1, stride=2),)), "strided")
    middle = np.zeros((3, 3, 1, 1), np.float32)
    middle[1, 1] = 1
    named_variables(network)["conv_1/kernel"].assign(middle)
    some = patches(1, 4)
    expected = Standardise("input")(some)[:, ::2, ::2]
    np.testing.assert_allclose(network(some)["vector"], tf.reshape(expected, (1, -1)), atol=1e-6)


def test_batch_norm_without_scale_and_offset_is_that_with_a_scale_of_1_and_an_offset_of_0() -> None:
    features = 3.0 + 2.0 * tf.random.stateless_normal((6, 2, 2, 3), (0, 1))
    plain = BatchNormalization("plain", affine=False, epsilon=1e-5, momentum=0.9)
    with_both = BatchNormalization("both", epsilon=1e-5, momentum=0.9)
    for training in (True, False):
        np.testing.assert_array_equal(plain(features, training=training), with_both(features, training=training))
    assert [variable.name.split("/")[-1].split(":")[0] for variable in plain.weights] == [
        "moving_mean",
        "moving_variance",
    ]


def test_batch_norm_moves_to_the_unbiased_variance_by_its_momentum_and_adds_its_epsilon() -> None:
    layer = BatchNormalization("plain", affine=False, epsilon=3.0, momentum=0.9)
    out = layer(tf.reshape(tf.constant([0.0, 2.0]), (2, 1, 1, 1)), training=True)
    np.testing.assert_allclose(tf.squeeze(out), [-0.5, 0.5], rtol=1e-6)  # 1 / sqrt(1 + 3)
    moving = [float(np.array(variable)[0]) for variable in layer.weights]
    np.testing.assert_allclose(moving, [0.1, 0.9 + 0.1 * 2.0], rtol=1e-6)


# ------------------------------------------------------------------------------------------------ dropout


def drop(layer: Dropout, features: tf.Tensor, seen: tf.Tensor, training: bool = True) -> np.ndarray:
    dropped: np.ndarray = layer([features, seen], training=training).numpy()
    return dropped


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    ones, seen = tf.ones((8, 10, 10, 5)), patches(8, 4)
    out = drop(Dropout(0.3, 0, "dropout"), ones, seen)
    assert set(np.unique(out)) == {0.0, np.float32(1 / 0.7)}
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(drop(Dropout(0.3, 0, "dropout"), ones, seen, training=False), ones)


def test_what_dropout_drops_is_a_function_of_seed_layer_and_patches_alone() -> None:
    ones, one, other = tf.ones((4, 6, 6, 2)), patches(4, 6), patches(4, 6, seed=1)
    mask = drop(Dropout(0.5, 3, "a"), ones, one) == 0
    np.testing.assert_array_equal(drop(Dropout(0.5, 3, "a"), 2.0 * ones, one) == 0, mask)
    for layer, seen in ((Dropout(0.5, 4, "a"), one), (Dropout(0.5, 3, "b"), one), (Dropout(0.5, 3, "a"), other)):
        assert ((drop(layer, ones, seen) == 0) != mask).mean() > 0.3


def test_dropout_in_half_precision_stays_there() -> None:
    halves = tf.ones((2, 3, 3, 2), tf.bfloat16)
    assert Dropout(0.3, 0, "dropout")([halves, patches(2, 4)], training=True).dtype == tf.bfloat16


def test_gradients_pass_where_dropout_kept() -> None:
    some = patches(2, 4)
    with tf.GradientTape() as tape:
        tape.watch(some)
        out = Dropout(0.5, 0, "dropout")([some, some], training=True)
    np.testing.assert_allclose(tape.gradient(out, some), np.where(out.numpy() == 0, 0, 2), rtol=1e-6)


# ------------------------------------------------------------------------------------------------ first weights


def kernel(*shape: int, seed: int = 0, layer: str = "conv_1") -> np.ndarray:
    values: np.ndarray = ScaledOrthogonal(0.6, seed, layer)(shape).numpy()
    return values.reshape(-1, shape[-1]).astype(np.float64)


def test_first_kernels_have_orthogonal_outputs_of_length_gain_or_inputs_where_these_are_fewer() -> None:
    tall, flat = kernel(3, 3, 2, 5), kernel(3, 3, 1, 16)
    np.testing.assert_allclose(tall.T @ tall, 0.36 * np.eye(5), atol=1e-6)
    np.testing.assert_allclose(flat @ flat.T, 0.36 * np.eye(9), atol=1e-6)


def test_first_weights_are_a_function_of_seed_and_layer() -> None:
    np.testing.assert_array_equal(kernel(3, 3, 2, 5), kernel(3, 3, 2, 5))
    assert not np.allclose(kernel(3, 3, 2, 5), kernel(3, 3, 2, 5, seed=1))
    assert not np.allclose(kernel(3, 3, 2, 5), kernel(3, 3, 2, 5, layer="conv_2"))


def test_two_networks_of_one_seed_are_equal_and_of_another_are_not() -> None:
    one, again, other = (build_patch_network(SMALL, "s", seed)(patches(4, 8))["vector"].numpy() for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other, atol=0.1)


@pytest.mark.parametrize("loss", SYSTEMS["hardnet"].losses)
def test_a_compiled_step_finds_the_losses_and_gradients_of_an_eager_one(loss: str) -> None:
    network, some = build_patch_network(SMALL, "small"), patches(12, 8)
    negatives = allowed(tf.range(6), tf.range(6))

    def step() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            a, b = tf.split(network(some, training=True)["vector"], 2)
            points, terms = Points(a, b, negatives, tf.zeros(6, tf.int32)), VECTOR_LOSSES[loss].terms
            total = vector_loss(points, terms, LossSettings(1.0))["desc"]
        return total, tape.gradient(total, list(named_variables(network, only_trainable=True).values()))[0]

    for eager, compiled in zip(step(), tf.function(step, jit_compile=True)(), strict=True):
        np.testing.assert_allclose(compiled, eager, atol=1e-4)
