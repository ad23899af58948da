"""Patch networks as people use them: patches of any size, keypoints of any detector, pairs in two steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.features import Features
from superpoint_tf.models import patch_model
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import WeightsError, get_weights


def build(system: str) -> PatchModel:
    return PatchModel(build_network(NetworkConfig(system=system), seed=3), system)


@pytest.fixture(scope="module")
def hardnet() -> PatchModel:
    return build("hardnet")


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 64, 64), dtype=np.uint8)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    rough = np.random.default_rng(1).integers(0, 256, (20, 26), dtype=np.uint8)
    return np.kron(rough, np.ones((5, 5), np.uint8))


def features(**changes: np.ndarray) -> Features:
    points = np.array([[60.0, 50.0], [40.0, 33.3], [88.8, 70.1]], np.float32)
    sizes, angles = np.array([4, 6, 9], np.float32), np.array([0, 30, 200], np.float32)
    return Features(points, np.ones(3, np.float32), None, sizes, angles)._replace(**changes)


def test_patches_are_resized_by_area_and_described_by_unit_vectors(hardnet: PatchModel, patches: np.ndarray):
    vectors = hardnet.describe_patches(patches)
    assert vectors.shape == (7, 128) == (7, hardnet.dimension) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    halves = patches.reshape(7, 32, 2, 32, 2).mean(axis=(2, 4), dtype=np.float64) / 255
    expected = hardnet.network(halves[..., None].astype(np.float32))["vector"]
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_float_patches_with_a_channel_are_those_of_bytes(hardnet: PatchModel, patches: np.ndarray):
    levels = patches[..., None].astype(np.float64) / 255
    np.testing.assert_allclose(hardnet.describe_patches(levels), hardnet.describe_patches(patches), atol=1e-5)


def test_how_many_are_seen_at_a_time_does_not_matter(
    hardnet: PatchModel, patches: np.ndarray, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    vectors, described = hardnet.describe_patches(patches), hardnet.describe(image, features())
    monkeypatch.setattr(patch_model, "_BATCH", 2)
    np.testing.assert_allclose(hardnet.describe_patches(patches), vectors, atol=1e-5)
    np.testing.assert_allclose(hardnet.describe(image, features()), described, atol=1e-5)


def test_keypoints_alone_are_described_too(hardnet: PatchModel, image: np.ndarray):
    plain = Features(features().keypoints, np.ones(3, np.float32))
    np.testing.assert_array_equal(hardnet.describe(image, plain.keypoints), hardnet.describe(image, plain))
    with pytest.raises(ValueError, match=r"keypoints have shape \(3,\); expected Features, or xy \(N, 2\)"):
        hardnet.describe(image, np.zeros(3))


def test_none_at_all_gives_empty_arrays(hardnet: PatchModel, image: np.ndarray):
    assert hardnet.describe_patches(np.zeros((0, 65, 65), np.uint8)).shape == (0, 128)
    none = Features(np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
    assert hardnet.describe(image, none).shape == (0, 128) and hardnet.cut(image, none).shape == (0, 32, 32)
    assert hardnet.compare(*[np.zeros((0, 32, 32), np.uint8)] * 2).shape == (0,)


def test_keypoints_turned_with_the_picture_keep_their_descriptors(hardnet: PatchModel, image: np.ndarray):
    found = features()
    turned = np.ascontiguousarray(np.rot90(image))  # counterclockwise as seen: x' = y, y' = width - 1 - x
    points = np.stack([found.keypoints[:, 1], image.shape[1] - 1 - found.keypoints[:, 0]], axis=1)
    angles = (found.angles_deg - 90) % 360
    vectors = hardnet.describe(image, found)
    again = hardnet.describe(turned, found._replace(keypoints=points, angles_deg=angles))
    np.testing.assert_allclose((vectors * again).sum(axis=1), 1.0, atol=1e-2)
    upright = hardnet.describe(turned, found._replace(keypoints=points))
    assert ((vectors * upright).sum(axis=1) < 0.9).all()


def test_a_picture_twice_as_large_keeps_the_descriptors_of_keypoints_twice_as_large(
    hardnet: PatchModel, image: np.ndarray
):
    found, large = features(), np.kron(image, np.ones((2, 2), np.uint8))
    larger = found.scaled(2 * found.keypoints + 0.5, 2.0)
    product = (hardnet.describe(image, found) * hardnet.describe(large, larger)).sum(axis=1)
    assert (product > 0.95).all(), product


def test_a_patch_has_six_diameters_a_side_and_32_pixels_without_a_size(hardnet: PatchModel, image: np.ndarray):
    six = hardnet.cut(image, features(angles_deg=np.full(3, -1, np.float32), sizes=np.full(3, 32 / 6, np.float32)))
    np.testing.assert_array_equal(hardnet.cut(image, features(angles_deg=None, sizes=None)), six)
    np.testing.assert_array_equal(hardnet.cut(image, features(angles_deg=None, sizes=np.zeros(3))), six)
    x, y = 60, 50
    np.testing.assert_allclose(six[0, 16, 16], image[y : y + 2, x : x + 2].mean() / 255, atol=0.3)
    wider = hardnet.cut(image, features(sizes=features().sizes / 2), support=12.0)
    np.testing.assert_allclose(hardnet.cut(image, features()), wider, atol=1e-6)


def test_pairs_of_vectors_are_compared_by_their_distance(hardnet: PatchModel, patches: np.ndarray):
    vectors, others = hardnet.describe_patches(patches), hardnet.describe_patches(patches[::-1])
    scores = hardnet.compare(patches, patches[::-1])
    np.testing.assert_allclose(scores, [-np.sqrt(((a - b) ** 2).sum()) for a, b in zip(vectors, others, strict=True)])
    assert scores[3] == scores.max() == 0


@pytest.mark.parametrize("system", ["siam", "pseudo-siam", "matchnet-64"])
def test_a_system_of_scores_in_two_steps_gives_what_the_whole_network_gives(system: str, patches: np.ndarray):
    model, others = build(system), patches[::-1]
    expected = model.network([p[..., None].astype(np.float32) / 255 for p in (patches, others)])["score"]
    np.testing.assert_allclose(model.compare(patches, others), expected, rtol=1e-3, atol=1e-4)
    first, second = model.describe_patches(patches), model.describe_patches(others, view=1)
    np.testing.assert_allclose(model.compare_vectors(first, second), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match=f"{system} gives scores of pairs, not descriptors"):
        model.describe(patches[0], features())


def test_a_system_that_sees_both_patches_compares_and_describes_none(patches: np.ndarray):
    model, others = build("2ch"), patches[::-1]
    expected = model.network([p[..., None].astype(np.float32) / 255 for p in (patches, others)])["score"]
    np.testing.assert_allclose(model.compare(patches, others), expected, rtol=1e-4, atol=1e-5)
    assert not model.describes
    with pytest.raises(ValueError, match="2ch sees two patches together and describes none by itself"):
        model.describe_patches(patches)
    with pytest.raises(ValueError, match="2ch has no vectors"):
        model.compare_vectors(np.zeros((1, 4)), np.zeros((1, 4)))


def test_descriptors_of_a_binary_system_are_bits(image: np.ndarray):
    model = build("binary-l2net")
    signs, bits = model.describe_patches(model.cut(image, features())), model.describe(image, features())
    assert set(np.unique(signs)) == {-1, 1} and bits.dtype == np.uint8 and bits.shape == (3, 16)
    np.testing.assert_array_equal(np.unpackbits(bits, axis=1), signs > 0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((32, 32), np.uint8), r"patches have shape \(32, 32\); expected \(N, h, w\)"),
        (np.zeros((2, 32, 32, 3), np.uint8), r"\(2, 32, 32, 3\); expected .* grey"),
        (np.zeros((2, 32, 32), int), "patches have dtype int64; expected uint8, or float"),
        (np.full((2, 32, 32), 255.0), "divide grey levels by 255"),
        (np.full((2, 32, 32), np.nan), "not finite"),
    ],
)
def test_other_patches_are_refused(hardnet: PatchModel, wrong: np.ndarray, words: str):
    with pytest.raises(ValueError, match=words):
        hardnet.describe_patches(wrong)


def test_what_does_not_belong_together_is_refused(hardnet: PatchModel, patches: np.ndarray, image: np.ndarray):
    with pytest.raises(ValueError, match="7 and 3 to compare"):
        hardnet.compare(patches, patches[:3])
    with pytest.raises(ValueError, match=r"sizes have shape \(2,\) for 3 keypoints"):
        hardnet.describe(image, features(sizes=np.ones(2)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        hardnet.describe(image, features(angles_deg=np.array([0, np.nan, 0])))
    with pytest.raises(ValueError, match="image is a name"):
        hardnet.describe("a.png", features())


def test_weights_are_loaded_by_their_path_and_those_for_pictures_refused(
    hardnet: PatchModel, patches: np.ndarray, tmp_path: Path
):
    get_weights(hardnet.network, NetworkConfig(system="hardnet")).save(tmp_path / "run/weights.npz")
    loaded = PatchModel.from_pretrained(tmp_path / "run")
    assert loaded.system == "hardnet" and loaded.side_px == 32
    np.testing.assert_array_equal(loaded.describe_patches(patches), hardnet.describe_patches(patches))
    with pytest.raises(WeightsError, match="superpoint-small: superpoint describes pictures; use SuperPoint"):
        PatchModel.from_pretrained("superpoint-small")
    with pytest.raises(ValueError, match="superpoint describes pictures; use SuperPoint"):
        PatchModel(hardnet.network, "superpoint")
    with pytest.raises(WeightsError, match="nowhere: no weights there"):
        PatchModel.from_pretrained("nowhere")
