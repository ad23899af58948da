"""The two poolings of the network: what they compute, how they answer to a moved picture, and their weights files."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.superpoint import BlurPooling
from superpoint_tf.networks.weights import get_weights, load_network, load_weights
from superpoint_tf.networks.widening import can_widen
from superpoint_tf.runtime import storage

MAX = NetworkConfig(width=1 / 16, batch_norm=False, descriptor_dim=8)
BLUR = dataclasses.replace(MAX, pooling="blur")
POOLINGS = {"max": lambda: tf.keras.layers.MaxPooling2D(2), "blur": BlurPooling}


def smooth_picture(side: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(side, side))
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    return np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((12 * frequencies) ** 2))).real.astype(np.float32)


def pooled_thrice(name: str, picture: np.ndarray) -> np.ndarray:
    features = tf.constant(picture[None, :, :, None])
    for _ in range(3):
        features = POOLINGS[name]()(features)
    return features.numpy()[0, :, :, 0]


def test_a_row_of_numbers_is_pooled_by_eye() -> None:
    row = tf.constant([[0.0, 4.0, 0.0, 0.0, 8.0, 0.0]])
    both_rows = tf.reshape(tf.tile(row, [2, 1]), (1, 2, 6, 1))
    # maxima of neighbours, the first column repeated: 0, 4 4 0 8 8 0; 1 2 1 about the 2nd, 4th and 6th of them
    np.testing.assert_array_equal(BlurPooling()(both_rows).numpy().ravel(), [3.0, 3.0, 6.0])


def test_a_constant_picture_stays_what_it_is_up_to_its_edges() -> None:
    np.testing.assert_array_equal(BlurPooling()(tf.fill((1, 4, 6, 2), 5.0)), np.full((1, 2, 3, 2), 5.0))


def test_both_poolings_keep_the_centre() -> None:
    """A single bright pixel block, symmetric about the middle, stays symmetric."""
    picture = np.zeros((16, 16), np.float32)
    picture[6:10, 6:10] = 1.0
    for name in POOLINGS:
        pooled = pooled_thrice(name, picture)
        np.testing.assert_array_equal(pooled, pooled[::-1, ::-1])


def test_moved_by_one_pixel_a_picture_changes_less_than_with_the_maximum() -> None:
    picture = smooth_picture(128)
    changes = {
        name: np.abs(pooled_thrice(name, picture) - pooled_thrice(name, np.roll(picture, 1, axis=1)))[2:-2, 2:-2].sum()
        for name in POOLINGS
    }
    assert changes["blur"] < 0.9 * changes["max"]


@pytest.mark.parametrize("name", POOLINGS)
def test_moved_by_a_cell_a_picture_gives_the_same_moved_by_one(name: str) -> None:
    picture = smooth_picture(128)
    still, moved = pooled_thrice(name, picture), pooled_thrice(name, np.roll(picture, (8, 8), axis=(0, 1)))
    np.testing.assert_array_equal(moved[3:-2, 3:-2], still[2:-3, 2:-3])


@pytest.mark.parametrize("precision", [tf.float32, tf.bfloat16])
def test_compiled_by_xla_or_in_half_precision_it_has_a_gradient(precision: tf.DType) -> None:
    features = tf.cast(tf.random.stateless_normal((1, 8, 8, 3), (0, 1)), precision)

    @tf.function(jit_compile=True)
    def gradient(features: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(features)
            total = tf.reduce_sum(BlurPooling(dtype=precision.name)(features))
        return tape.gradient(total, features)

    assert gradient(features).dtype == precision
    assert float(tf.reduce_sum(tf.cast(gradient(features), tf.float32))) == pytest.approx(48.0, rel=0.02)


def test_weights_files_fit_both_poolings_and_say_which_is_theirs(tmp_path) -> None:
    assert weight_shapes(MAX) == weight_shapes(BLUR)
    network = build_network(BLUR, seed=3)
    get_weights(network, BLUR).save(tmp_path / "weights.npz")
    loaded, weights = load_network(tmp_path / "weights.npz")
    assert weights.network == BLUR
    picture = tf.random.stateless_uniform((1, 17, 30, 1), (0, 1))
    np.testing.assert_array_equal(loaded(picture)["logits"], network(picture)["logits"])
    assert not np.allclose(build_network(MAX, seed=3)(picture)["logits"], network(picture)["logits"])


def test_a_file_of_before_the_setting_has_the_maximum_and_the_same_bytes(tmp_path) -> None:
    get_weights(build_network(MAX), MAX).save(tmp_path / "weights.npz")
    arrays = storage.load_npz(tmp_path / "weights.npz")
    header = json.loads(str(arrays.pop("__header__")))
    assert "pooling" not in header["network"]  # as in files of before: nothing of theirs changes, nor their digest
    storage.write_bytes(tmp_path / "old.npz", storage.npz_bytes(__header__=np.array(json.dumps(header)), **arrays))
    assert (tmp_path / "old.npz").read_bytes() == (tmp_path / "weights.npz").read_bytes()
    assert load_weights(tmp_path / "old.npz").network == MAX


def test_a_file_of_the_other_pooling_says_so(tmp_path) -> None:
    get_weights(build_network(BLUR), BLUR).save(tmp_path / "weights.npz")
    assert load_weights(tmp_path / "weights.npz").network == BLUR


def test_weights_of_one_pooling_are_widened_for_the_other() -> None:
    weights = get_weights(build_network(MAX), MAX)
    assert can_widen(weights, dataclasses.replace(BLUR, width=0.25))
    assert not can_widen(weights, BLUR)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 30)])
def test_any_height_and_width_gives_a_cell_for_every_pixel(height: int, width: int) -> None:
    network = build_network(BLUR)
    images = tf.random.stateless_uniform((2, height, width, 1), (0, 1))
    dynamic = tf.function(network, input_signature=[tf.TensorSpec((None, None, None, 1))])
    assert network(images)["logits"].shape == (2, -(-height // 8), -(-width // 8), 65)
    np.testing.assert_allclose(dynamic(images)["logits"], network(images)["logits"], atol=1e-5)
