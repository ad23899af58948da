"""Homographic adaptation of one image, seen through detectors whose answer is known."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.adaptation.aggregate import Adapter
from superpoint_tf.config import CELL, AdaptationSection, NetworkConfig
from superpoint_tf.detection.maps import logits_to_heatmap
from superpoint_tf.geometry.homography import invert_homographies, sample_homographies
from superpoint_tf.geometry.masks import compute_warp_weights, warp_valid_mask
from superpoint_tf.geometry.warp import warp_images
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import PadToCells
from superpoint_tf.networks.weights import get_weights, load_network

SHAPE = (48, 64)
SEED = (3, 5)
CONFIG = AdaptationSection(num_homographies=12, chunk_size=4)
BLOB_XY = (45, 13)  # far from the centre and from every symmetry of the frame


def uniform_detector(images, training):
    """Give every pixel the probability 1/65."""
    return {"logits": tf.zeros([tf.shape(images)[0], SHAPE[0] // CELL, SHAPE[1] // CELL, CELL * CELL + 1])}


def brightness_detector(images, training):
    """Give every pixel the probability grey level squared / 50."""
    cells = tf.nn.space_to_depth(tf.square(images) / 50.0, CELL)
    rest = tf.maximum(
        1.0 - tf.reduce_sum(cells, axis=-1, keepdims=True), 0.0
    )  # a cell of repeated edge may be all bright
    probabilities = tf.concat([cells, rest], axis=-1)
    return {"logits": tf.math.log(probabilities + 1e-9)}


def brightness_detector_of_any_size(images, training):
    """Do the same for images that are no multiple of the cell: padded, as the network does it."""
    return brightness_detector(PadToCells()(images), training)


def keras_detector(seed=0):
    initializer = tf.keras.initializers.RandomNormal(stddev=0.3, seed=seed)
    inputs = tf.keras.Input((None, None, 1))
    logits = tf.keras.layers.Conv2D(CELL * CELL + 1, CELL, strides=CELL, kernel_initializer=initializer)(inputs)
    return tf.keras.Model(inputs, {"logits": logits})


def noise_image(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def blob_image():
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    return np.exp(-((x - BLOB_XY[0]) ** 2 + (y - BLOB_XY[1]) ** 2) / (2 * 2.5**2)).astype(np.float32)


def aggregate(model, image, looks=None, **changes):
    detection = dataclasses.replace(CONFIG.detection, **(looks or {}))
    result = Adapter(model, dataclasses.replace(CONFIG, detection=detection, **changes))(image, SEED)
    return result.heatmap.numpy(), result.count.numpy()


def random_homographies(num=20):
    seeds = tf.stack([tf.range(num), tf.range(num)], axis=1)
    homographies = sample_homographies(seeds, SHAPE, CONFIG.homography)
    return homographies, invert_homographies(homographies)


@pytest.fixture(scope="module")
def adapter():
    return Adapter(keras_detector(), CONFIG)


def test_a_constant_heatmap_stays_that_constant_wherever_a_warp_counted():
    heatmap, count = aggregate(uniform_detector, noise_image())
    np.testing.assert_allclose(heatmap, 1 / 65, rtol=1e-4)
    assert count.min() >= 1  # the identity counts everywhere, the frame's edge included
    assert count.max() > 6


def test_one_homography_is_the_identity_and_gives_the_single_image_heatmap():
    model = build_network(NetworkConfig(width=0.125))
    image = noise_image((44, 61))  # no multiple of the cell
    heatmap, count = aggregate(model, image, num_homographies=1)
    expected = logits_to_heatmap(model(image[None, ..., None], training=False)["logits"], image.shape)[0]
    np.testing.assert_allclose(heatmap, expected, rtol=1e-5)
    np.testing.assert_array_equal(count, 1.0)


@pytest.mark.parametrize("chunk_size", [1, 5, 50])  # one at a time, a shorter last chunk, more than there are
def test_the_chunk_size_does_not_change_the_result(adapter, chunk_size):
    reference = adapter(noise_image(), SEED)
    heatmap, count = aggregate(keras_detector(), noise_image(), chunk_size=chunk_size)
    np.testing.assert_allclose(heatmap, reference.heatmap, atol=1e-5)
    np.testing.assert_array_equal(count, reference.count)


def test_the_same_image_and_seed_give_the_same_bits_and_another_seed_other_ones(adapter):
    first, _ = adapter(noise_image(), SEED)
    adapter(noise_image(seed=1), (0, 0))
    again, _ = adapter(noise_image(), SEED)
    other, _ = adapter(noise_image(), (3, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_blob_is_found_where_it_is():
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    mean, _ = aggregate(brightness_detector, blob_image(), num_homographies=40)
    centroid = np.array([(mean * x).sum(), (mean * y).sum()]) / mean.sum()
    np.testing.assert_allclose(centroid, BLOB_XY, atol=0.5)
    assert np.unravel_index(mean.argmax(), SHAPE) == BLOB_XY[::-1]
    assert mean.max() > 0.8 / 50  # answers carried back the wrong way would be averaged away


def test_no_homography_carries_a_blob_elsewhere():
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    largest, _ = aggregate(brightness_detector, blob_image(), num_homographies=40, aggregation="max")
    assert np.unravel_index(largest.argmax(), SHAPE) == BLOB_XY[::-1]
    assert largest[np.hypot(x - BLOB_XY[0], y - BLOB_XY[1]) > 8].max() < 0.05 / 50


def test_max_is_above_mean_wherever_several_warps_count(adapter):
    mean, mean_count = adapter(noise_image(), SEED)
    largest, largest_count = aggregate(keras_detector(), noise_image(), aggregation="max")
    several = mean_count.numpy() > 1
    assert (largest > mean.numpy())[several].all()
    np.testing.assert_allclose(largest[~several], mean.numpy()[~several], rtol=1e-5)
    np.testing.assert_array_equal(mean_count, largest_count)


@pytest.mark.parametrize("erosion_px", [0, 3])
def test_weights_are_the_warped_masks_without_a_warp(erosion_px):
    homographies, inverses = random_homographies()
    warped_frame = tf.cast(warp_valid_mask(homographies, SHAPE, erosion_px=erosion_px), tf.float32)
    carried_back = warp_images(warped_frame[..., None], inverses, interpolation="nearest")[..., 0].numpy() > 0.5
    source_frame = warp_valid_mask(inverses, SHAPE, erosion_px=erosion_px).numpy()
    weights = compute_warp_weights(homographies, inverses, SHAPE, erosion_px).numpy()
    assert 0.2 < weights.mean() < 0.9
    assert np.sum(weights != (carried_back & source_frame)) <= 20  # rounding, of 61440


def test_erosion_takes_votes_away_and_adds_none():
    weights = [compute_warp_weights(*random_homographies(), SHAPE, erosion) for erosion in (0, 3, 6)]
    assert np.all(weights[0] >= weights[1])
    assert np.all(weights[1] >= weights[2])
    assert np.sum(weights[0]) > np.sum(weights[1]) > np.sum(weights[2])


def test_the_identity_votes_everywhere_because_erosion_leaves_the_frames_edge():
    identity = tf.eye(3)[None]
    np.testing.assert_array_equal(compute_warp_weights(identity, identity, SHAPE, 3), 1.0)


def test_images_of_one_shape_share_one_graph():
    adapter = Adapter(keras_detector(), CONFIG)
    for seed in range(3):
        adapter(noise_image(seed=seed), (0, seed))
        adapter(tf.constant(noise_image(seed=seed)[None, ..., None]), tf.constant([1, seed]))
    assert adapter.num_traces == 1
    adapter(noise_image((32, 40)), SEED)
    assert adapter.num_traces == 2


def test_weights_assigned_later_are_used_without_a_new_trace():
    model = keras_detector()
    adapter = Adapter(model, CONFIG)
    before, _ = adapter(noise_image(), SEED)
    model.set_weights(keras_detector(seed=1).get_weights())
    after, _ = adapter(noise_image(), SEED)
    expected, _ = Adapter(keras_detector(seed=1), CONFIG)(noise_image(), SEED)
    assert adapter.num_traces == 1
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, expected)


def test_an_image_of_bytes_or_a_batch_is_refused(adapter):
    with pytest.raises(ValueError, match="uint8"):
        adapter(np.zeros(SHAPE, np.uint8), SEED)
    with pytest.raises(ValueError, match=r"\(2, 48, 64, 1\)"):
        adapter(np.zeros((2, *SHAPE, 1), np.float32), SEED)


MEMORY_SCRIPT = """
import resource, sys
import numpy as np
from superpoint_tf.adaptation.aggregate import Adapter
from superpoint_tf.config import AdaptationSection, NetworkConfig
from superpoint_tf.geometry import invert_homographies, sample_homographies, warp_images, warp_valid_mask
from superpoint_tf.networks.build import build_network

model = build_network(NetworkConfig(width=0.125, system="magicpoint"))
image = np.random.default_rng(0).random((240, 320), dtype=np.float32)
adapter = Adapter(model, AdaptationSection(num_homographies=int(sys.argv[1])))
adapter(image, (0, 0))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_homographies():
    peaks_mb = []
    for num in (20, 200):
        command = [sys.executable, "-c", MEMORY_SCRIPT, str(num)]
        peaks_mb.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    one_map_mb = 240 * 320 * 4 / 2**20  # keeping a heatmap a homography would cost 180 of these
    assert abs(peaks_mb[1] - peaks_mb[0]) < 180 * one_map_mb / 2, f"peak {peaks_mb} MB for 20 and 200 homographies"


def test_half_precision_computes_the_network_in_it_and_moves_the_votes_little(tmp_path):
    network = NetworkConfig(width=0.0625)
    network = network.with_system("magicpoint")
    model = build_network(network)
    path = tmp_path / "weights.npz"
    get_weights(model, network).save(path)
    whole, half = (load_network(path, precision)[0] for precision in ("float32", "mixed_bfloat16"))
    assert {
        layer.compute_dtype for layer in half.layers if layer.name.startswith("encoder_") and "_bn" not in layer.name
    } == {"bfloat16"}
    image = noise_image()
    (expected, count), (found, half_count) = (aggregate(each, image) for each in (whole, half))
    np.testing.assert_array_equal(half_count, count)  # geometry stays float32
    assert 0 < np.abs(found - expected).max() < 0.05 * expected.max()


SOFT = NetworkConfig(width=0.0625, batch_norm=False)


def test_a_warp_is_seen_as_a_picture_is_at_several_scales_and_phases():
    from superpoint_tf.models.dense_model import SuperPoint

    network, image = build_network(SOFT.with_system("magicpoint")), noise_image()
    looks = {"scales": (0.5, 1.0), "phases": 4}
    found, count = aggregate(network, image, looks, num_homographies=1)  # the identity
    np.testing.assert_allclose(found, SuperPoint(network).heatmap(image, **looks), rtol=1e-4)
    np.testing.assert_array_equal(count, 1.0)


def test_the_answer_of_a_larger_scale_is_brought_to_the_frame_by_the_half_pixel_rule():
    mean, _ = aggregate(brightness_detector_of_any_size, blob_image(), {"scales": (2.0,)}, num_homographies=20)
    assert mean.shape == SHAPE and np.unravel_index(mean.argmax(), SHAPE) == BLOB_XY[::-1]
    x, y = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0]))
    centroid = np.array([(mean * x).sum(), (mean * y).sum()]) / mean.sum()
    np.testing.assert_allclose(centroid, BLOB_XY, atol=0.2)


@pytest.mark.parametrize("looks", [{"phases": 4}, {"scales": (1.0, 1.5)}, {"scales": (1.0, 1.5), "phases": 2}])
def test_a_blob_is_found_where_it_is_however_it_is_looked_at(looks):
    mean, _ = aggregate(brightness_detector_of_any_size, blob_image(), looks, num_homographies=20)
    assert np.unravel_index(mean.argmax(), SHAPE) == BLOB_XY[::-1]


def test_one_look_is_the_network_alone_to_the_bit(monkeypatch):
    found, _ = aggregate(keras_detector(), noise_image())
    monkeypatch.setattr(
        Adapter,
        "_detect",
        lambda self, images: logits_to_heatmap(self._model(images, training=False)["logits"], SHAPE),
    )
    np.testing.assert_array_equal(found, aggregate(keras_detector(), noise_image())[0])
