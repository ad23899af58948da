"""The convex descriptor's layers against loops over pixels, and against OpenCV's descriptor of real patches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.pooled_gradients import GradientMaps, PooledRegions, blur_and_slope, pool_regions
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import get_weights, load_network
from superpoint_tf.systems import VECTORS

NETWORK = NetworkConfig(system="convex-120")
ZOO = Path(__file__).resolve().parents[3] / "shared" / "data" / "zoo"
OPENCV_DISTANCES = [3.312, 3.074, 1.46, 2.006, 1.904, 3.009, 1.647, 2.27, 2.362, 3.078]  # of cv2 4.11


def patches(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).random((count, side, side), np.float32)


def maps_by_loops(patch: np.ndarray, bins: int, blur_px: float) -> np.ndarray:
    """Return what `GradientMaps` says, pixel by pixel, the blur by OpenCV."""
    blurred = cv2.GaussianBlur(patch, (0, 0), blur_px, borderType=cv2.BORDER_REPLICATE).astype(float)
    side = len(patch)
    maps, strengths = np.zeros((side, side, bins)), np.zeros((side, side))
    for y in range(side):
        for x in range(side):
            dx = blurred[y, min(x + 1, side - 1)] - blurred[y, max(x - 1, 0)]
            dy = blurred[min(y + 1, side - 1), x] - blurred[max(y - 1, 0), x]
            strengths[y, x] = np.hypot(dx, dy)
            place = np.arctan2(-dy, -dx) / (2 * np.pi / bins) - 0.5
            low, share = int(np.floor(place)), place - np.floor(place)
            maps[y, x, low % bins] += (1 - share) * strengths[y, x]
            maps[y, x, (low + 1) % bins] += share * strengths[y, x]
    return maps * bins / np.sort(strengths.ravel())[int(0.8 * (side * side - 1))]


@pytest.mark.parametrize("bins", [8, 5])
def test_maps_are_those_of_a_loop_over_pixels(bins: int) -> None:
    images = patches(2, 12)
    maps = GradientMaps("gradients", bins, 1.4)(images[..., np.newaxis]).numpy()
    for image, each in zip(images, maps, strict=True):
        np.testing.assert_allclose(each, maps_by_loops(image, bins, 1.4), atol=2e-4)


def test_a_ramp_to_the_right_is_dark_on_the_left_between_the_fourth_bin_and_the_fifth() -> None:
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))[np.newaxis, ..., np.newaxis]
    maps = GradientMaps("gradients", 8, 1.4)(ramp).numpy()[0, 8, 8]
    np.testing.assert_allclose(maps, [0, 0, 0, 4, 4, 0, 0, 0], atol=1e-3)  # 8 bins times the strength 1, halved


def test_scale_and_offset_of_grey_levels_change_nothing_and_one_grey_is_finite() -> None:
    layer, image = GradientMaps("gradients", 8, 1.4), patches(1, 16)[..., np.newaxis]
    np.testing.assert_allclose(layer(0.3 * image + 0.2), layer(image), atol=1e-4)
    np.testing.assert_allclose(layer(np.full((1, 16, 16, 1), 0.4, np.float32)), np.zeros((1, 16, 16, 8)), atol=0.01)


def test_blur_keeps_a_column_of_one_grey_and_slope_takes_a_step_of_two_pixels() -> None:
    blur, slope = blur_and_slope(20, 1.0)
    np.testing.assert_allclose(blur @ np.ones(20), 1)
    np.testing.assert_allclose((slope @ np.arange(20.0))[6:14], 2)


def test_regions_are_weighted_sums_of_maps_and_at_most_1() -> None:
    maps = tf.reshape(tf.constant([0.1, 0.9, 0.2, 0.8, 0.3, 5.0, 0.4, 0.6]), (1, 2, 2, 2))
    pooled = pool_regions(maps, tf.constant([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(pooled[0], [[0.15, 0.85], [0.3, 1.0], [0, 0]], rtol=1e-6)


def test_regions_begin_as_strips_and_no_gradient_trains_them() -> None:
    layer = PooledRegions("regions", 2)
    means = layer(tf.reshape(tf.range(8.0) / 10, (1, 4, 2, 1))).numpy().ravel()
    np.testing.assert_allclose(means, [0.15, 0.55], rtol=1e-6)
    assert layer.pooling.shape == (2, 8) and not layer.trainable_weights


def test_the_network_holds_regions_and_a_projection_and_its_file_loads_as_the_system(tmp_path: Path) -> None:
    network = build_network(NETWORK)
    variables = named_variables(network)
    assert weight_shapes(NETWORK) == {"regions/pooling": (72, 4096), "fc_1/kernel": (576, 120)}
    assert {name: tuple(value.shape) for name, value in variables.items()} == weight_shapes(NETWORK)
    random = np.random.default_rng(1)
    for variable in variables.values():
        variable.assign(random.random(variable.shape))
    get_weights(network, NETWORK).save(tmp_path / "weights.npz")
    loaded, _ = load_network(tmp_path / "weights.npz", gives=VECTORS)
    images = patches(3, 64)[..., np.newaxis]
    vectors = loaded(images)["vector"]
    assert vectors.shape == (3, 120)
    np.testing.assert_array_equal(vectors, network(images)["vector"])
    assert dataclasses.asdict(NETWORK)["system"] == loaded.name


@pytest.fixture(scope="module")
def opencv() -> dict[str, np.ndarray]:
    """Return OpenCV's matrices, real patches, and what OpenCV makes of them."""
    files = [ZOO / name for name in ("vgg-120.npz", "vgg-120-opencv.npz", "brown20.npz")]
    if not all(path.is_file() for path in files):
        pytest.skip("needs OpenCV's matrices and real patches, which a public checkout does not have")
    return {name: array for path in files for name, array in np.load(path).items()}


def test_with_opencvs_matrices_descriptors_and_distances_are_opencvs(opencv: dict[str, np.ndarray]) -> None:
    """What remains, 2.4e-4 of 1.6, is not explained; OpenCV computes in float32 and in another order."""
    network = build_network(NETWORK)
    variables = named_variables(network)
    by_column = opencv["pooling"].reshape(-1, 64, 64)  # pixels column by column; ours are row by row
    rows = by_column.transpose(0, 2, 1).reshape(len(by_column), -1)
    variables["regions/pooling"].assign(np.pad(rows, ((0, 72 - len(rows)), (0, 0))))
    kernel = opencv["projection"].T
    variables["fc_1/kernel"].assign(np.pad(kernel, ((0, 576 - len(kernel)), (0, 0))))
    vectors = network(opencv["patches"][..., np.newaxis] / np.float32(255))["vector"].numpy()
    np.testing.assert_allclose(vectors, opencv["descriptors"], atol=5e-4)
    distances = np.linalg.norm(vectors[opencv["index0"]] - vectors[opencv["index1"]], axis=1)
    np.testing.assert_allclose(distances, OPENCV_DISTANCES, atol=1e-3)
    assert np.corrcoef(distances, OPENCV_DISTANCES)[0, 1] > 0.99999
