"""Networks as methods of the protocol `patches`: what they say through it is what they say themselves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.evaluation.methods.patch_methods import load_patch_methods
from superpoint_tf.evaluation.methods.patch_networks import method_of
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)
    return np.stack([cv2.resize(patch, (65, 65)) for patch in coarse])


def unit(patches: np.ndarray, side_px: int) -> np.ndarray:
    levels = patches.astype(np.float32) / 255
    return np.stack([cv2.resize(patch, (side_px, side_px), interpolation=cv2.INTER_AREA) for patch in levels])[
        ..., None
    ]


@pytest.mark.parametrize("system", ["pseudo-siam-l2", "2ch"])
def test_all_pairs_have_the_scores_of_the_whole_network(system: str, patches: np.ndarray):
    network = build_network(NetworkConfig(system=system))
    model = PatchModel(network, system)
    method = method_of(system, {}, model)
    first, second = method.describe(patches), (method.describe1 or method.describe)(patches[:3])
    seen = unit(patches, model.side_px)
    if system == "2ch":  # both patches are kept as grey levels
        seen = np.rint(255 * seen) / np.float32(255)
    pairs = [seen.repeat(3, axis=0), np.concatenate([seen[:3]] * 5)]
    expected = -network(pairs)["score"].numpy().reshape(5, 3)
    np.testing.assert_allclose(method.matrix(first, second), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(method.distances(first[:3], second), np.diag(expected), rtol=1e-4, atol=1e-5)
    assert (method.describe1 is not None) == (system == "pseudo-siam-l2") and method.affords(50_000)
    assert method.affords(1_000_000) == (system != "2ch")


def test_vectors_come_from_a_file_of_weights_by_its_system(tmp_path: Path, patches: np.ndarray):
    config = NetworkConfig(system="tfeat")
    network = build_network(config, seed=3)
    get_weights(network, config).save(tmp_path / "weights.npz")
    (method,) = load_patch_methods([f"TFeat={tmp_path / 'weights.npz'}"])
    assert method.name == "TFeat" and method.identity["system"] == "tfeat"
    np.testing.assert_allclose(method.describe(patches), network(unit(patches, 32))["vector"], atol=1e-6)


def test_signs_become_bits(patches: np.ndarray):
    network = build_network(NetworkConfig(system="binary-l2net"))
    method, vectors = (
        method_of("bits", {}, PatchModel(network, "binary-l2net")),
        network(unit(patches, 32))["vector"].numpy(),
    )
    described = method.describe(patches)
    assert described.dtype == np.uint8 and described.shape == (5, 16)
    expected = (vectors[:, None] != vectors[None]).sum(axis=2)
    np.testing.assert_allclose(method.matrix(described, described), expected, atol=1e-6)


def test_weights_of_pictures_are_refused():
    with pytest.raises(ValueError, match="superpoint-small: superpoint describes pictures"):
        load_patch_methods(["superpoint-small"])
