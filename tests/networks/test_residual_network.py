"""DELF's network: its weights, its means, its reduction, its heads, and what reaches a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.residual_network import AttentiveMean, Reduction, principal_components
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import assign_weights, get_weights, load_weights

SMALL = NetworkConfig(system="delf-small")


@pytest.fixture(scope="module")
def trained() -> tf.keras.Model:
    return build_network(replace(SMALL, classes=5), seed=3)


def pictures(count: int = 2, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(0).random((count, height, width, 1)).astype(np.float32)


@pytest.mark.parametrize("system", ["delf", "delf-small"])
def test_shapes_are_known_before_the_network_is_built(system: str):
    config = NetworkConfig(system=system)
    built = {name: tuple(variable.shape) for name, variable in named_variables(build_network(config)).items()}
    assert built == weight_shapes(config)


def test_the_body_of_delf_is_resnet_50_to_its_third_stage():
    kernels = {name: shape for name, shape in weight_shapes(NetworkConfig(system="delf")).items() if "kernel" in name}
    body = {name: shape for name, shape in kernels.items() if name.startswith(("conv", "block"))}
    assert sum(int(np.prod(shape)) for shape in body.values()) == 8_506_432  # He et al. 2016, by hand
    assert kernels["block_3_6_c/kernel"] == (1, 1, 256, 1024) and "block_3_7_a/kernel" not in kernels


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (33, 16), (48, 64)])
def test_pictures_of_any_size_give_a_feature_in_16_pixels(trained: tf.keras.Model, shape: tuple[int, int]):
    outputs = trained(pictures(1, *shape))
    cells = (1, -(-shape[0] // 16), -(-shape[1] // 16))
    assert outputs["descriptors"].shape == (*cells, 40) and outputs["attention"].shape == (*cells, 1)
    assert float(tf.reduce_min(outputs["attention"])) >= 0 and outputs["attention_logits"].shape == (1, 5)


def test_the_first_feature_sees_the_pixels_about_its_place():
    """The pixels that a middle feature depends on lie evenly about `stride` i + `first_px`."""
    for system, first_px in (("delf-small", 3.5), ("delf", 2.0)):
        network, images = (
            build_network(NetworkConfig(system=system)),
            tf.random.stateless_uniform((1, 496, 16, 1), (1, 2)),
        )
        with tf.GradientTape() as tape:
            tape.watch(images)
            feature = tf.reduce_sum(network(images)["descriptors"][0, 15, 0])
        seen = np.flatnonzero(np.abs(tape.gradient(feature, images)[0, :, :, 0].numpy()).sum(axis=1) > 0)
        assert abs((seen[0] + seen[-1]) / 2 - (16 * 15 + first_px)) <= 1.0, system


def test_the_mean_by_attention_is_that_of_the_definition(trained: tf.keras.Model):
    outputs = {name: value.numpy().astype(np.float64) for name, value in trained(pictures()).items()}
    logits = np.zeros((2, 5))
    kernel, bias = (np.asarray(w) for w in trained.get_layer("classes_attention").get_weights())
    for picture in range(2):
        total, cells = np.zeros(256), 0
        for features, attention in zip(
            outputs["features"][picture].reshape(-1, 256), outputs["attention"][picture].reshape(-1), strict=True
        ):
            total += attention * features / np.sqrt(sum(value**2 for value in features))
            cells += 1
        logits[picture] = 16 * total / cells @ kernel + bias  # the root of the 256 channels
    assert np.allclose(outputs["attention_logits"], logits, atol=1e-5)
    body, offset = trained.get_layer("classes_body").get_weights()
    assert np.allclose(outputs["body_logits"], outputs["features"].mean(axis=(1, 2)) @ body + offset, atol=1e-5)


def test_a_feature_without_attention_counts_for_nothing_and_one_of_zeros_has_no_direction():
    features = tf.constant([[[[3.0, 4.0], [5.0, 0.0], [0.0, 0.0]]]])
    mean = AttentiveMean("mean")([features, tf.constant([[[[2.0], [0.0], [7.0]]]])])
    assert np.allclose(mean, np.sqrt(2) * np.array([[2 * 0.6 / 3, 2 * 0.8 / 3]]))


def components_by_definition(vectors: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and whitened components by the singular values of the centred vectors."""
    mean = sum(vector for vector in vectors) / len(vectors)
    _, lengths, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    columns = []
    for length, axis in list(zip(lengths, axes, strict=True))[:dimension]:
        sign = 1.0 if axis[np.abs(axis).argmax()] > 0 else -1.0
        columns.append(sign * axis / (length / np.sqrt(len(vectors))))
    return mean, np.stack(columns, axis=1)


def test_principal_components_are_those_of_the_definition_and_whiten():
    generator = np.random.default_rng(1)
    vectors = generator.standard_normal((300, 6)) @ generator.standard_normal((6, 6)) + 3.0
    mean, kernel = principal_components(vectors, 4)
    expected_mean, expected = components_by_definition(vectors, 4)
    assert np.allclose(mean, expected_mean, atol=1e-5) and np.allclose(kernel, expected, rtol=1e-4, atol=1e-5)
    reduced = (vectors - mean) @ kernel
    assert np.allclose(reduced.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(np.cov(reduced.T, bias=True), np.eye(4), atol=1e-4)


@pytest.mark.parametrize("vectors", [np.zeros((5, 6)), np.ones((1, 6)), np.eye(6)[:2]])
def test_of_too_few_vectors_components_are_finite(vectors: np.ndarray):
    mean, kernel = principal_components(vectors, 4)
    assert kernel.shape == (6, 4) and np.isfinite(kernel).all() and np.isfinite(mean).all()
    assert np.isfinite((vectors - mean) @ kernel).all()


def test_the_reduction_takes_features_of_unit_length():
    layer = Reduction(1, "ones")
    features = tf.constant([[[[3.0, 4.0]]]])
    assert layer(features).numpy().item() == pytest.approx(1.4)
    layer.set_components(np.array([0.6, 0.0], np.float32), np.array([[1.0], [2.0]], np.float32))
    assert layer(features).numpy().item() == pytest.approx(1.6)
    assert not layer.trainable_weights


def test_no_file_of_weights_holds_the_heads_of_classes(trained: tf.keras.Model, tmp_path: Path):
    weights = get_weights(trained, replace(SMALL, classes=5), step=7)
    assert weights.network == SMALL and not any(name.startswith("classes_") for name in weights.arrays)
    weights.save(tmp_path / "weights.npz")
    again = load_weights(tmp_path / "weights.npz")
    alone = build_network(SMALL, seed=9)
    assign_weights(alone, again, "weights")
    image = pictures(1)
    assert np.array_equal(alone(image)["descriptors"], trained(image)["descriptors"])
    more = build_network(replace(SMALL, classes=8), seed=1)
    assign_weights(more, again, "weights", allow_new_head=True)
    assert np.array_equal(more(image)["attention"], trained(image)["attention"])
