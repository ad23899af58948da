"""The store of phase one: what is kept, what is dropped, what a kill leaves."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from superpoint_tf.evaluation.feature_store import FeatureStore, read_stored
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.features import Features

PROTOCOL = PairProtocol((48, 64), max_keypoints=2, nms_radius_px=4)
THREE = Features(
    np.array([[1, 2], [3, 4], [5, 6]], np.float32),
    np.array([0.9, 0.5, 0.1], np.float32),
    np.arange(12, dtype=np.float32).reshape(3, 4),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features" / "m.h5"


def fill(path: Path, identity: dict | None = None, protocol: PairProtocol = PROTOCOL) -> str:
    """Open the store as a run does, write frame s/a if it is not there, and return why something was dropped."""
    with FeatureStore(path, identity or {"kind": "test"}) as store:
        store.open_setting("s", protocol)
        if not store.has("s/a", "hash"):
            store.write("s/a", THREE, (48, 64), "hash", protocol.max_keypoints)
        return store.dropped


def test_all_keypoints_are_kept_but_descriptors_of_the_budget_alone(path):
    fill(path)
    with h5py.File(path) as file:
        assert file["s/a/descriptors"].shape == (4, 2)
        features = read_stored(file, "s/a")
    np.testing.assert_array_equal(features.keypoints, THREE.keypoints)
    np.testing.assert_array_equal(features.scores, THREE.scores)
    np.testing.assert_array_equal(features.descriptors, THREE.descriptors[:2])


def test_a_frame_is_there_only_for_the_very_picture(path):
    fill(path)
    with FeatureStore(path, {"kind": "test"}) as store:
        store.open_setting("s", PROTOCOL)
        assert store.has("s/a", "hash") and not store.has("s/a", "other hash") and not store.has("s/b", "hash")
        assert not store.dropped


def test_another_identity_drops_everything_and_says_what_changed(path):
    fill(path, {"weights": 1, "threshold": 0.1})
    assert fill(path, {"weights": 2, "threshold": 0.1}) == "weights: 1 -> 2"
    assert fill(path, {"weights": 2, "threshold": 0.1}) == ""


@pytest.mark.parametrize("change", [{"max_keypoints": 3}, {"nms_radius_px": 8}, {"image_shape": (24, 32)}])
def test_another_protocol_drops_its_setting_alone(path, change):
    fill(path)
    with FeatureStore(path, {"kind": "test"}) as store:
        store.open_setting("other", PROTOCOL)
        store.write("other/a", THREE, (48, 64), "hash", 2)
        store.open_setting("s", replace(PROTOCOL, **change))
        assert next(iter(change)) in store.dropped
        assert not store.has("s/a", "hash") and store.has("other/a", "hash")


def test_what_measures_do_not_depend_on_features_for_keeps_them(path):
    fill(path)
    assert fill(path, protocol=replace(PROTOCOL, distance_px=1.0, ransac_px=1.0)) == ""


def test_a_frame_that_a_kill_left_half_written_is_written_again(path):
    fill(path)
    with h5py.File(path, "a") as file:
        del file["s/a"].attrs["image_sha256"]  # set last
        del file["s/a/scores"]
    fill(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(read_stored(file, "s/a").scores, THREE.scores)


def test_overwrite_begins_again_and_a_foreign_file_is_refused_and_kept(path):
    fill(path)
    with FeatureStore(path, {"kind": "test"}, overwrite=True) as store:
        store.open_setting("s", PROTOCOL)
        assert store.dropped and not store.has("s/a", "hash")
    with h5py.File(path, "w") as file:
        file["years of work"] = 1
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="did not write"):
            FeatureStore(path, {"kind": "test"}, overwrite)
    with h5py.File(path) as file:
        assert "years of work" in file


def test_damage_inside_a_file_that_opens_is_named_and_begun_again(path):
    fill(path)
    content = bytearray(path.read_bytes())
    for start in (i for i in range(len(content) - 4) if content[i : i + 4] in (b"TREE", b"SNOD", b"HEAP")):
        content[start : start + 4] = b"ruin"
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(ValueError, match=r"m\.h5: s/a: "):
        read_stored(file, "s/a")
    assert "damaged" in fill(path)
    with h5py.File(path) as file:
        assert len(read_stored(file, "s/a").keypoints) == 3


def test_a_damaged_file_is_begun_again(path):
    fill(path)
    path.write_bytes(path.read_bytes()[:700])
    assert "damaged" in fill(path)
    with h5py.File(path) as file:
        assert len(read_stored(file, "s/a").keypoints) == 3


def test_an_overwriting_run_that_ends_early_keeps_the_old_file(path):
    fill(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), FeatureStore(path, {"kind": "test"}, overwrite=True) as store:
        store.open_setting("s", PROTOCOL)
        store.write("s/b", THREE, (48, 64), "hash", 2)
        raise RuntimeError("stopped")
    assert path.read_bytes() == before
