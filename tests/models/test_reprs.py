"""Models as Python prints them: the system, its size, and what it gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.models.stereo_model import StereoModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights


def test_a_model_of_pictures_says_what_it_gives():
    small = {"width": 1 / 16, "descriptor_dim": 8}
    joint, detector = (build_network(NetworkConfig(system=name, **small)) for name in ("superpoint", "magicpoint"))
    count = f"{joint.count_params():,} weights"
    assert repr(SuperPoint(joint)) == f"SuperPoint(superpoint, {count}, descriptors of 8 numbers)"
    assert repr(SuperPoint(detector)).endswith("weights, a detector alone)")


def test_a_model_that_finds_no_keypoints_says_so():
    assert repr(SuperPoint(build_network(NetworkConfig(system="ucn-small")))).endswith(", no keypoints of its own)")


@pytest.mark.parametrize(
    ("system", "gives"), [("tfeat", "32x32 pixels, vectors of 128 numbers"), ("2ch", "64x64 pixels, scores of pairs")]
)
def test_a_model_of_patches_says_what_it_sees_and_gives(system: str, gives: str):
    shown = repr(PatchModel(build_network(NetworkConfig(system=system)), system))
    assert re.fullmatch(rf"PatchModel\({system}, [\d,]+ weights, patches of {gives}\)", shown)


def test_a_model_of_stereo_pairs_names_its_system():
    network = build_network(NetworkConfig(system="mc-cnn-fast"))
    assert re.fullmatch(r"StereoModel\(mc-cnn-fast, [\d,]+ weights\)", repr(StereoModel(network, "mc-cnn-fast")))


def test_a_model_that_was_loaded_names_its_weights(tmp_path: Path):
    assert repr(SuperPoint.from_pretrained("superpoint-small")).startswith("SuperPoint(superpoint-small: superpoint, ")
    assert repr(SuperPoint.from_pretrained("superpoint")).startswith("SuperPoint(superpoint, ")  # said once
    assert repr(PatchModel.from_pretrained("hardnet")).startswith("PatchModel(hardnet, ")
    config = NetworkConfig(system="mc-cnn-fast")
    get_weights(build_network(config), config).save(tmp_path / "pairs.npz")
    assert repr(StereoModel.from_pretrained(tmp_path / "pairs.npz")).startswith(
        f"StereoModel({tmp_path}/pairs.npz: mc-cnn-fast, "
    )
