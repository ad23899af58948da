"""Labels come back as they were written, and nothing damaged, foreign or outdated is ever loaded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf import storage
from superpoint_tf.data.labels import (
    Label,
    LabelError,
    LabelManifest,
    Part,
    label_path,
    load_label,
    manifest_path,
    read_manifest,
    save_label,
    write_manifest,
)

LABEL = Label(np.array([[1.5, 2.0], [3.0, 4.0]]), np.array([0.9, 0.1]), (240, 320), np.diag([0.5, 0.5, 1.0]), "ab" * 32)


def a_manifest() -> LabelManifest:
    counts = {"photographs": 1, "keypoints": 2, "keypoints_per_image": 2.0, "labels_sha256": "0" * 64}
    counts["left_out"] = [{"path": "b.jpg", "reason": "empty file"}]
    return LabelManifest("photos", 2, (1, 2), {"path": "w.npz", "sha256": "0"}, {"seed": 0}, counts, ("a b/ü.jpg",))


def test_a_label_comes_back_in_its_types(tmp_path: Path):
    path = label_path(str(tmp_path), 1, "a b/ü.jpg")
    save_label(path, LABEL)
    label = load_label(path, expected_sha256="ab" * 32)
    np.testing.assert_array_equal(label.keypoints, LABEL.keypoints)
    np.testing.assert_array_equal(label.scores, LABEL.scores.astype(np.float32))
    np.testing.assert_array_equal(label.image_to_label, LABEL.image_to_label)
    assert label.keypoints.dtype == label.scores.dtype == np.float32 and label.image_to_label.dtype == np.float64
    assert label.image_shape == (240, 320) and label.sha256 == "ab" * 32


def test_the_same_label_gives_the_same_bytes(tmp_path: Path):
    for name in ("a.npz", "b.npz"):
        save_label(str(tmp_path / name), LABEL)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_photograph_without_keypoints_has_a_label_too(tmp_path: Path):
    save_label(str(tmp_path / "x.npz"), dataclasses.replace(LABEL, keypoints=np.zeros((0, 2)), scores=np.zeros(0)))
    label = load_label(str(tmp_path / "x.npz"))
    assert label.keypoints.shape == (0, 2) and label.scores.shape == (0,)


def test_two_files_with_one_stem_have_two_labels():
    assert label_path("labels/x", 1, "s/a.jpg") == "labels/x/round_1/s/a.jpg.npz"
    assert label_path("labels/x", 1, "s/a.png") == "labels/x/round_1/s/a.png.npz"
    assert label_path("gs://bucket/l", 2, "a.jpg") == "gs://bucket/l/round_2/a.jpg.npz"


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "a/../../b.jpg", ""])
def test_a_label_never_lies_outside_its_folder(name: str):
    with pytest.raises(LabelError, match="not a path below the image root"):
        label_path("labels/x", 1, name)


def test_labels_never_attach_to_a_picture_that_changed(tmp_path: Path):
    save_label(str(tmp_path / "x.npz"), LABEL)
    with pytest.raises(LabelError, match=r"x\.npz: made from another version .*homographic_adapt\.py"):
        load_label(str(tmp_path / "x.npz"), expected_sha256="cd" * 32)


def test_a_missing_label_names_the_tool(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"x\.npz: no such label file; run tools/homographic_adapt\.py"):
        load_label(str(tmp_path / "x.npz"))


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_truncated_label_is_an_error(tmp_path: Path, keep: int):
    save_label(str(tmp_path / "x.npz"), LABEL)
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:keep])
    with pytest.raises(LabelError, match=r"x\.npz: damaged"):
        load_label(str(tmp_path / "x.npz"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"scores": None}, "scores missing"),
        ({"keypoints": np.zeros((2, 3), np.float32)}, "keypoints has shape"),
        ({"scores": np.zeros(3, np.float32)}, "2 keypoints but 3 scores"),
        ({"keypoints": np.zeros((2, 2), np.int64)}, "keypoints has type int64"),
        ({"keypoints": np.full((2, 2), np.nan, np.float32)}, "not finite"),
        ({"image_shape": np.array([0, 5])}, "not positive"),
        ({"sha256": np.array(5)}, "sha256 has type"),
    ],
)
def test_a_file_that_is_no_label_is_named_with_its_fault(tmp_path: Path, change: dict[str, Any], message: str):
    save_label(str(tmp_path / "x.npz"), LABEL)
    arrays = {**storage.load_npz(str(tmp_path / "x.npz")), **change}
    content = storage.npz_bytes(**{name: value for name, value in arrays.items() if value is not None})
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(LabelError, match=message):
        load_label(str(tmp_path / "x.npz"))


def test_loading_executes_nothing(tmp_path: Path):
    np.savez(tmp_path / "x.npz", keypoints=np.array([print], dtype=object))
    with pytest.raises(LabelError, match="damaged"):
        load_label(str(tmp_path / "x.npz"))


def test_a_manifest_comes_back_equal(tmp_path: Path):
    write_manifest(str(tmp_path), a_manifest())
    assert read_manifest(str(tmp_path)) == a_manifest()
    write_manifest(str(tmp_path), a_manifest(), Part(2, 1, 3))
    assert (tmp_path / "manifest-round-2-shard-1-of-3.json").exists()
    assert read_manifest(str(tmp_path), Part(2, 1, 3)) == a_manifest()


def test_a_folder_without_manifest_names_the_tool(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no labels in .*run tools/homographic_adapt\.py"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize(
    "change",
    [{"schema_version": 99}, {"photographs": "a.jpg"}, {"photographs": [1]}, {"final_round": "2"}, {"extra": 1}],
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, change: dict[str, Any]):
    write_manifest(str(tmp_path), a_manifest())
    path = Path(manifest_path(str(tmp_path)))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(LabelError, match=r"manifest\.json"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str):
    Path(manifest_path(str(tmp_path))).write_text(content)
    with pytest.raises(LabelError, match=r"manifest\.json"):
        read_manifest(str(tmp_path))
