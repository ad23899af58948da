"""Keypoints of one method, described by a patch system."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.evaluation.feature_store import FeatureStore
from superpoint_tf.evaluation.methods.methods import load_methods
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.features.feature_files import open_features, read_features, write_features
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights

PROTOCOL = PairProtocol((96, 128), max_keypoints=20, nms_radius_px=4)
ROUGH = np.random.default_rng(0).integers(0, 256, (24, 32), dtype=np.uint8)
VIEW = View("a", cv2.resize(ROUGH, (128, 96), interpolation=cv2.INTER_CUBIC))


def save(path: Path, system: str, seed: int = 3) -> str:
    config = NetworkConfig(system=system)
    get_weights(build_network(config, seed), config).save(path)
    return str(path)


@pytest.fixture(scope="module")
def hardnet(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(tmp_path_factory.mktemp("weights") / "a+b" / "hardnet.npz", "hardnet")


def test_keypoints_are_those_of_the_left_and_the_strongest_are_described(hardnet: str):
    described, sift = load_methods([f"SIFT + HardNet=SIFT+{hardnet}", "SIFT"])
    assert described.name == "SIFT + HardNet"
    found, expected = (method.find(VIEW, "s", PROTOCOL) for method in (described, sift))
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    assert len(found.keypoints) > 20 and found.descriptors.shape == (20, 128)
    strongest = expected.take(slice(20))
    described = PatchModel.from_pretrained(hardnet).describe(VIEW.image, strongest)
    np.testing.assert_allclose(found.descriptors, described, atol=1e-5)


def test_a_patch_system_alone_describes_sifts_keypoints(hardnet: str):
    alone, named = load_methods([f"a={hardnet}", f"b=SIFT+{hardnet}"])
    assert alone.identity == named.identity
    np.testing.assert_array_equal(*(method.find(VIEW, "s", PROTOCOL).descriptors for method in (alone, named)))


def test_keypoints_without_a_size_and_those_of_a_network_are_described_too(hardnet: str):
    for left in ("Harris", "superpoint-small", "grid (control)"):
        (method,) = load_methods([f"{left}+{hardnet}"])
        found = method.find(VIEW, "s", PROTOCOL)
        assert method.name == f"{left}+{hardnet}" and len(found.descriptors) == min(20, len(found.keypoints)) > 0


def test_patches_about_orb_are_as_wide_as_orbs_own(hardnet: str):
    orb, sift = load_methods([f"ORB+{hardnet}", f"SIFT+{hardnet}"])
    assert (orb.identity["support"], sift.identity["support"]) == (1.0, 6.0)


def test_keypoints_on_disk_are_described_with_their_sizes(hardnet: str, tmp_path: Path):
    (sift,) = load_methods(["SIFT"])
    own = sift.find(VIEW, "s", PROTOCOL).take(slice(20))
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "s/a", own, VIEW.image.shape)
    stored, direct = load_methods([f"f={tmp_path}/f.h5+{hardnet}", f"SIFT+{hardnet}"])
    expected = direct.find(VIEW, "s", PROTOCOL).descriptors
    np.testing.assert_allclose(stored.find(VIEW, "s", PROTOCOL).descriptors, expected, atol=1e-5)


def test_the_identity_follows_keypoints_weights_and_code(hardnet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = save(tmp_path / "other.npz", "hardnet", seed=4)
    names = [f"SIFT+{hardnet}", f"ORB+{hardnet}", f"SIFT+{other}"]
    before = [method.identity for method in load_methods(names)]
    assert len({json.dumps(identity) for identity in before}) == 3
    read = Path.read_bytes
    for changed in ("baselines.py", "patches.py", "patch_network.py", "described_keypoints.py", "keypoints.py"):
        monkeypatch.setattr(Path, "read_bytes", lambda path, c=changed: read(path) + b"#" * (path.name == c))
        assert load_methods(names[:1])[0].identity != before[0], changed


def test_features_are_kept_under_the_identity(hardnet: str, tmp_path: Path):
    (method,) = load_methods([f"SIFT+{hardnet}"])
    found = method.find(VIEW, "s", PROTOCOL)
    for _ in range(2):
        with FeatureStore(tmp_path / method.file_name, method.identity) as store:
            store.open_setting("s", PROTOCOL)
            if not store.has("s/a", "0"):
                store.write("s/a", found, VIEW.image.shape, "0", PROTOCOL.max_keypoints)
            assert store.has("s/a", "0") and not store.dropped
    with open_features(tmp_path / method.file_name) as file:
        np.testing.assert_array_equal(read_features(file, "s/a")[0].sizes, found.sizes[:20])


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ("nowhere", "nowhere: no weights there"),
        ("superpoint-small", "superpoint-small: superpoint describes pictures"),
    ],
)
def test_what_describes_no_patches_is_refused(right: str, words: str):
    with pytest.raises(ValueError, match=words):
        load_methods([f"SIFT+{right}"])


def test_a_system_of_scores_is_refused_with_where_it_is_evaluated(tmp_path: Path):
    with pytest.raises(ValueError, match=r"siam scores pairs of patches .* name a system of vectors \(`patches`"):
        load_methods([f"SIFT+{save(tmp_path / 'siam.npz', 'siam')}"])


def test_a_left_that_does_not_exist_is_named(hardnet: str):
    with pytest.raises(ValueError, match="--methods SOFT: no file or folder SOFT"):
        load_methods([f"SOFT+{hardnet}"])
