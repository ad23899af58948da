from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.data.labels.labels import Label, label_path, load_label, save_label
from superpoint_tf.runtime import storage


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a" / "file"
    storage.write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        storage.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_unfinished_files_are_removed_and_others_kept(tmp_path: Path):
    (tmp_path / f"x.1{storage.TEMPORARY_SUFFIX}").write_bytes(b"half")
    (tmp_path / "x").write_bytes(b"whole")
    export = tmp_path / f"export.1{storage.TEMPORARY_SUFFIX}"  # a folder, as a SavedModel is
    export.mkdir()
    (export / f"y.2{storage.TEMPORARY_SUFFIX}").write_bytes(b"half")
    assert storage.remove_unfinished(tmp_path) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_writer_of_one_file_left_is_removed_and_what_others_may_be_writing_is_kept(tmp_path: Path):
    killed = (
        "import os, signal, sys; from superpoint_tf.runtime import storage\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "storage.write_bytes(sys.argv[1], b'half')"
    )
    for name in ("a[1].png", "a[1].png", "a1.png", "b.a[1].png"):
        subprocess.run([sys.executable, "-c", killed, tmp_path / name], check=False)
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / f"a[1].png.0{storage.TEMPORARY_SUFFIX}").mkdir()  # an export or a video is a folder until it is whole
    storage.remove_unfinished_of(tmp_path / "a[1].png")
    assert sorted(path.name.split(".")[:-2] for path in tmp_path.iterdir()) == [["a1", "png"], ["b", "a[1]", "png"]]


def test_equal_arrays_give_equal_bytes():
    arrays = {"a": np.arange(3.0), "text": np.array("word")}
    assert storage.npz_bytes(**arrays) == storage.npz_bytes(**arrays)


def test_an_npz_goes_to_a_url_by_way_of_bytes_although_savez_into_a_gfile_raises(tmp_path: Path):
    import tensorflow as tf

    url = f"file://{tmp_path}/store/round_1/a.jpg.npz"
    arrays = {"keypoints": np.arange(6, dtype=np.float32).reshape(3, 2), "sha256": np.array("ab12")}
    storage.write_bytes(url, storage.npz_bytes(**arrays))
    assert [path.name for path in (tmp_path / "store/round_1").iterdir()] == ["a.jpg.npz"]  # no temporary is left
    read = storage.load_npz(url)
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[name], arrays[name]) for name in arrays)
    with pytest.raises(tf.errors.PermissionDeniedError), tf.io.gfile.GFile(f"file://{tmp_path}/trap.npz", "wb") as file:
        np.savez(file, **arrays)


def test_a_folder_behind_a_url_is_listed_overwritten_and_deleted_like_one_on_a_disk(tmp_path: Path):
    folder = f"file://{tmp_path}/store"
    assert storage.is_remote(folder) and not storage.exists(folder)
    with pytest.raises(FileNotFoundError, match=r"store/a\.json"):
        storage.read_json(storage.join(folder, "a.json"))
    for value in (1, 2):
        storage.write_json(storage.join(folder, "a.json"), value)
    assert storage.list_folder(folder) == ["a.json"]
    assert storage.read_json(storage.join(folder, "a.json")) == 2
    with pytest.raises(ValueError, match="not made by this tool"):
        storage.remove_tree(folder, marker="config.yaml")
    storage.remove_tree(folder, marker="a.json")
    assert not (tmp_path / "store").exists()


def test_a_label_behind_a_url_is_the_label_that_was_written(tmp_path: Path):
    path = label_path(f"file://{tmp_path}/labels", 1, "deep/a b.jpg")
    label = Label(np.array([[1.5, 2.0]], np.float32), np.array([0.5], np.float32), (40, 48), np.eye(3), "ab", "cd")
    written = save_label(path, label)
    assert written == storage.sha256_file(tmp_path / "labels/round_1/deep/a b.jpg.npz")
    read = load_label(path, expected_sha256="ab")
    np.testing.assert_array_equal(read.keypoints, label.keypoints)
    assert (read.image_shape, read.sha256, read.detector_sha256) == ((40, 48), "ab", "cd")


def test_a_damaged_npz_is_named(tmp_path: Path):
    path = tmp_path / "w.npz"
    storage.write_bytes(path, storage.npz_bytes(a=np.arange(1000.0))[:-30])
    with pytest.raises(ValueError, match=r"w\.npz: damaged"):
        storage.load_npz(path)


def test_an_npz_with_a_pickle_is_refused(tmp_path: Path):
    path = tmp_path / "w.npz"
    np.savez(path, a=np.array([{"not": "numbers"}], dtype=object))
    with pytest.raises(ValueError, match=r"w\.npz"):
        storage.load_npz(path)


def test_only_a_folder_of_ours_is_deleted(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    with pytest.raises(ValueError, match="not made by this tool"):
        storage.remove_tree(tmp_path / "photos", marker="config.yaml")
    (tmp_path / "photos" / "config.yaml").write_bytes(b"")
    storage.remove_tree(tmp_path / "photos", marker="config.yaml")
    assert not (tmp_path / "photos").exists()


def test_joining_takes_urls_and_paths():
    assert storage.join("gs://bucket/labels", "a", "b.npz") == "gs://bucket/labels/a/b.npz"
    assert storage.join("labels/", "a") == "labels/a"


def test_the_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"abc")
    assert storage.sha256_file(tmp_path / "f") == storage.sha256(b"abc")
    assert storage.sha256(b"abc").startswith("ba7816bf")
