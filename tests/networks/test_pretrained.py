"""Weights that come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data

from superpoint_tf import SuperPoint
from superpoint_tf.config import NetworkConfig
from superpoint_tf.features import Features
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks import pretrained
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.pretrained import WEIGHTS_FOLDER, pretrained_names, pretrained_path
from superpoint_tf.networks.weights import WeightsError, get_weights, load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.synthetic import draw_sample
from superpoint_tf.systems import MAPS, SYSTEMS, VECTORS

TINY = NetworkConfig(width=1 / 16, descriptor_dim=8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of shipped weights with one in it, `tiny`."""
    monkeypatch.setattr(pretrained, "WEIGHTS_FOLDER", tmp_path)
    get_weights(build_network(TINY), TINY).save(tmp_path / "tiny.npz")
    (tmp_path / "SHA256SUMS").write_text(f"{storage.sha256_file(tmp_path / 'tiny.npz')}  tiny.npz\n")
    return tmp_path


def test_a_name_loads_what_comes_with_the_package(folder: Path):
    assert pretrained_names() == ("tiny",)
    assert load_weights("tiny").fingerprint() == load_weights(folder / "tiny.npz").fingerprint()


def test_a_path_of_that_name_comes_first(folder: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    get_weights(build_network(TINY), TINY, step=7).save(Path("tiny"))
    assert load_weights("tiny").step == 7


def test_damaged_weights_are_refused_with_the_remedy(folder: Path):
    content = bytearray((folder / "tiny.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "tiny.npz").write_bytes(content)
    with pytest.raises(WeightsError, match=r"tiny\.npz: damaged, .* install the package again"):
        load_weights("tiny")


def test_an_unknown_name_is_refused_with_the_known_ones(folder: Path):
    with pytest.raises(WeightsError, match=r"tinny: no weights there; .* or tiny"):
        load_weights("tinny")


def shipped(gives: str) -> list[str]:
    return [name for name in pretrained_names() if SYSTEMS[load_weights(name).network.system].gives == gives]


@pytest.mark.parametrize("name", pretrained_names())
def test_shipped_weights_are_whole_and_have_a_card(name: str):
    path = pretrained_path(name)
    assert path is not None and path.stat().st_size < 8e6
    card = (WEIGHTS_FOLDER / f"{name}.md").read_text()
    for heading in ("Data", "Recipe", "Cost", "Results", "Limits", "Licence"):
        assert f"\n## {heading}\n" in card


@pytest.mark.parametrize("name", shipped(MAPS))
def test_shipped_detectors_find_corners(name: str):
    model = SuperPoint.from_pretrained(name)
    image, corners = draw_sample(5, 1)
    features = model.extract(image)
    assert (features.descriptors is not None) == name.startswith("superpoint")
    nearest = np.linalg.norm(features.keypoints[:, None] - corners[None], axis=2).min(axis=0)
    inner = ((corners > 4) & (corners < np.array(image.shape[::-1]) - 5)).all(axis=1)
    assert inner.sum() >= 3 and np.mean(nearest[inner] <= 3) > 0.5


@pytest.mark.parametrize("name", shipped(VECTORS))
def test_shipped_descriptors_know_patches_again_under_another_light_and_a_small_turn(name: str):
    model, photograph = PatchModel.from_pretrained(name), skimage.data.camera()
    grid = np.stack(np.meshgrid(np.arange(60, 450, 40), np.arange(60, 450, 40)), axis=-1).reshape(-1, 2)
    sizes = np.full(len(grid), 8.0)
    first = Features(grid.astype(np.float32), np.ones(len(grid)), None, sizes, np.zeros(len(grid)))
    darker = np.rint(photograph * 0.6 + 20).astype(np.uint8)
    vectors0 = model.describe(photograph, first)
    vectors1 = model.describe(darker, first._replace(angles_deg=np.full(len(grid), 8.0)))
    nearest = (vectors0 @ vectors1.T).argmax(axis=1)
    assert np.mean(nearest == np.arange(len(grid))) > 0.85


@pytest.mark.parametrize("name", ["magicpoint-small", "superpoint-small", "superpoint", "superpoint-nano"])
def test_the_fingerprint_of_weights_that_ship_is_the_digest_of_their_file(name: str):
    """Whatever settings networks gained since: features, labels and the samples of a stage hang on it."""
    path = WEIGHTS_FOLDER / f"{name}.npz"
    assert load_weights(path).fingerprint() == storage.sha256_file(path)
