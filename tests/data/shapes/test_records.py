"""Synthetic sets on disk: same seed, same bytes; nothing half-written or damaged is ever read."""

from __future__ import annotations

import dataclasses
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, SyntheticSection
from superpoint_tf.data.shapes import record_folder
from superpoint_tf.data.shapes.generation import generate_synthetic_sets
from superpoint_tf.data.shapes.record_folder import RecordFolder, RecordFolderError
from superpoint_tf.data.shapes.record_format import decode_sample, encode_sample
from superpoint_tf.data.shapes.record_reader import RecordError, SyntheticRecords
from superpoint_tf.data.shapes.synthetic_sets import synthetic_sample
from superpoint_tf.runtime.interruption import Interrupted, StopRequest
from superpoint_tf.synthetic import SyntheticConfig


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_folder, "PICTURES_PER_FILE", 5)


def small_config(root: Path, **settings: Any) -> Config:
    draw = SyntheticConfig(image_shape=(32, 40), primitives=("star", "ellipses"))
    section = {"num_train": 12, "num_validation": 2, "num_test": 1, "draw": draw, **settings}
    return Config(workers=0, synthetic=SyntheticSection(root=str(root), **section))


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(root.iterdir())}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_folder, "PICTURES_PER_FILE", 5)
        generate_synthetic_sets(small_config(root))
    return root


def test_the_folder_holds_three_sets_a_manifest_and_a_contact_sheet(reference: Path):
    assert list(contents(reference)) == [
        "contact_sheet.png",
        "manifest.json",
        "test-00000-of-00001.tfrecord",
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "validation-00000-of-00001.tfrecord",
    ]


def test_every_picture_is_read_back_by_its_number(reference: Path):
    config = small_config(reference)
    for split, size in (("train", 12), ("validation", 4), ("test", 2)):
        records = SyntheticRecords(str(reference), split)
        assert len(records) == size
        for index in reversed(range(size)):
            image, keypoints, primitive = records[index]
            expected = synthetic_sample(config, split, index)
            np.testing.assert_array_equal(image, expected[0])
            np.testing.assert_array_equal(keypoints, expected[1])
            assert primitive == expected[2] and keypoints.dtype == np.float32
        with pytest.raises(IndexError):
            records[size]


def test_tensorflow_reads_the_files_with_their_checksums(reference: Path):
    paths = sorted(str(path) for path in reference.glob("train-*.tfrecord"))
    samples = [tf.train.Example.FromString(content.numpy()) for content in tf.data.TFRecordDataset(paths)]
    feature = samples[7].features.feature
    image, keypoints, primitive = synthetic_sample(small_config(reference), "train", 7)
    np.testing.assert_array_equal(tf.io.decode_png(feature["image"].bytes_list.value[0])[..., 0], image)
    np.testing.assert_array_equal(feature["keypoints"].float_list.value, keypoints.ravel())
    assert feature["primitive"].bytes_list.value[0] == primitive.encode()
    assert list(feature["number"].int64_list.value) == [7]
    assert list(feature["image_shape"].int64_list.value) == [32, 40]


def test_a_sample_is_the_same_bytes_as_tensorflow_would_write():
    content = encode_sample(np.zeros((2, 3), np.uint8), np.array([[0.5, 1.0]]), "star", 2**41)
    assert tf.train.Example.FromString(content).SerializeToString(deterministic=True) == content
    image, keypoints, primitive, number = decode_sample(content)
    assert image.shape == (2, 3) and keypoints.tolist() == [[0.5, 1.0]] and (primitive, number) == ("star", 2**41)


def test_same_seed_same_bytes_with_worker_processes(reference: Path, tmp_path: Path):
    generate_synthetic_sets(dataclasses.replace(small_config(tmp_path), workers=2))
    assert contents(tmp_path) == contents(reference)


def test_same_seed_same_bytes_in_shards_of_which_the_first_waits(reference: Path, tmp_path: Path):
    first = threading.Thread(target=generate_synthetic_sets, args=(small_config(tmp_path), (0, 2)), daemon=True)
    first.start()
    while not (tmp_path / "train-00000-of-00003.tfrecord.json").exists() and first.is_alive():
        time.sleep(0.01)
    generate_synthetic_sets(small_config(tmp_path), (1, 2))
    first.join(timeout=60)
    assert contents(tmp_path) == contents(reference)


def test_another_seed_gives_other_pictures(reference: Path, tmp_path: Path):
    generate_synthetic_sets(dataclasses.replace(small_config(tmp_path), seed=1))
    assert not set(contents(tmp_path).values()) & set(contents(reference).values())


class StopAfter(StopRequest):
    """A SIGTERM that arrives when a number of tasks were drawn."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self._tasks = tasks

    def raise_if_requested(self, message: str) -> None:
        self._tasks -= 1
        if self._tasks < 0:
            self.signal_number = signal.SIGTERM
        super().raise_if_requested(message)


@pytest.mark.parametrize("tasks", [0, 1, 3, 4])
def test_a_stopped_run_goes_on_to_the_same_bytes(reference: Path, tmp_path: Path, tasks: int):
    with pytest.raises(Interrupted, match=r"of 18 pictures; finished files are kept") as stopped:
        generate_synthetic_sets(small_config(tmp_path), stop=StopAfter(tasks))
    assert stopped.value.exit_code == 143
    assert not list(tmp_path.glob("*.part")) and not (tmp_path / "manifest.json").exists()
    assert len(list(tmp_path.glob("*.tfrecord"))) == tasks
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tfrecord")}
    generate_synthetic_sets(small_config(tmp_path))
    assert contents(tmp_path) == contents(reference)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())  # nothing finished was drawn again


def test_what_a_killed_run_left_is_replaced(reference: Path, tmp_path: Path):
    with pytest.raises(Interrupted):
        generate_synthetic_sets(small_config(tmp_path), stop=StopAfter(2))
    (tmp_path / "train-00002-of-00003.tfrecord.4711.part").write_bytes(b"half a file")  # killed while writing
    (tmp_path / "manifest.json.4711.part").write_bytes(b"{")
    (tmp_path / "train-00002-of-00003.tfrecord").write_bytes(b"renamed, but not noted")  # killed after the rename
    generate_synthetic_sets(small_config(tmp_path))
    assert contents(tmp_path) == contents(reference)


def test_a_finished_folder_is_left_alone(reference: Path):
    before = {path: path.stat().st_mtime_ns for path in reference.glob("*.tfrecord")}
    generate_synthetic_sets(small_config(reference))
    assert {path: path.stat().st_mtime_ns for path in reference.glob("*.tfrecord")} == before


def test_a_damaged_or_deleted_file_is_drawn_again(reference: Path, tmp_path: Path):
    generate_synthetic_sets(small_config(tmp_path))
    damaged, deleted = tmp_path / "train-00001-of-00003.tfrecord", tmp_path / "test-00000-of-00001.tfrecord"
    flip_bit(damaged)
    deleted.unlink()
    generate_synthetic_sets(small_config(tmp_path))
    assert contents(tmp_path) == contents(reference)


def test_a_folder_made_otherwise_is_refused_with_the_difference(reference: Path, tmp_path: Path):
    generate_synthetic_sets(small_config(tmp_path))
    (tmp_path / "notes.txt").write_text("mine")
    other = small_config(tmp_path, num_train=7)
    with pytest.raises(RecordFolderError, match=r"pictures\.train: 12 -> 7.*--overwrite"):
        generate_synthetic_sets(other)
    generate_synthetic_sets(other, overwrite=True)
    assert len(SyntheticRecords(str(tmp_path), "train")) == 7
    names = sorted(path.name for path in tmp_path.glob("train-*"))
    assert names == [f"train-0000{i}-of-00002.tfrecord" for i in (0, 1)]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_unfinished_folder_made_otherwise_is_refused_too(tmp_path: Path):
    with pytest.raises(Interrupted):
        generate_synthetic_sets(small_config(tmp_path), stop=StopAfter(1))
    with pytest.raises(RecordFolderError, match="seed: 0 -> 1"):
        generate_synthetic_sets(dataclasses.replace(small_config(tmp_path), seed=1))
    with pytest.raises(RecordFolderError, match="start shard 0 first"):
        generate_synthetic_sets(dataclasses.replace(small_config(tmp_path), seed=1), (1, 2), overwrite=True)


def test_settings_that_change_no_picture_may_differ(reference: Path):
    config = dataclasses.replace(small_config(reference), name="other", workers=0)
    assert RecordFolder(str(reference), config).unfinished(RecordFolder(str(reference), config).files) == []
    RecordFolder(str(reference), config).prepare((0, 1), overwrite=False)


def test_a_file_in_the_folder_s_place_is_an_error(tmp_path: Path):
    (tmp_path / "x").write_text("")
    with pytest.raises(RecordFolderError, match="is a file; pass --output FOLDER"):
        generate_synthetic_sets(small_config(tmp_path / "x"))


# ------------------------------------------------------------------------------------------------ reading what is wrong


def flip_bit(path: Path, offset: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if offset is None else offset] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture
def copy(reference: Path, tmp_path: Path) -> Path:
    for name, content in contents(reference).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_flipped_bit_is_noticed_and_the_file_named(copy: Path):
    flip_bit(copy / "train-00001-of-00003.tfrecord")
    with pytest.raises(RecordError, match=r"train-00001-of-00003\.tfrecord: damaged .*--overwrite"):
        SyntheticRecords(str(copy), "train")
    assert len(SyntheticRecords(str(copy), "test")) == 2


@pytest.mark.parametrize("offset", [0, 7, 8, 12, 40, -5, -1])  # length, its checksum, content, its checksum
def test_a_flipped_bit_at_any_place_of_a_record_is_noticed(copy: Path, offset: int):
    flip_bit(copy / "train-00000-of-00003.tfrecord", offset)
    with pytest.raises(RecordError, match=r"train-00000-of-00003\.tfrecord: damaged"):
        SyntheticRecords(str(copy), "train")


def test_a_file_cut_short_is_noticed(copy: Path):
    path = copy / "train-00002-of-00003.tfrecord"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RecordError, match=r"train-00002-of-00003\.tfrecord: damaged"):
        SyntheticRecords(str(copy), "train")


def test_a_missing_file_is_named(copy: Path):
    (copy / "train-00001-of-00003.tfrecord").unlink()
    with pytest.raises(RecordError, match=r"train-00001-of-00003\.tfrecord: named in the manifest but missing"):
        SyntheticRecords(str(copy), "train")


def test_a_folder_without_manifest_names_the_tool(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no synthetic sets in .*run python tools/generate_synthetic\.py"):
        SyntheticRecords(str(tmp_path), "train")


@pytest.mark.parametrize("content", ["", "[1]", '{"files": 3}', '{"schema_version": 99, "files": []}'])
def test_a_foreign_manifest_is_refused(copy: Path, content: str):
    (copy / "manifest.json").write_text(content)
    with pytest.raises(RecordError, match=r"manifest\.json"):
        SyntheticRecords(str(copy), "train")
    with pytest.raises(RecordFolderError):
        generate_synthetic_sets(small_config(copy))


def test_an_unknown_set_is_answered_with_those_there(reference: Path):
    with pytest.raises(RecordError, match="no 'val' set, only test, train, validation"):
        SyntheticRecords(str(reference), "val")


def test_an_open_set_can_be_sent_to_workers_and_read_by_threads(reference: Path):
    records = SyntheticRecords(str(reference), "train")
    first = records[0][0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(records))[0][0], first)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(records[0][0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.array_equal(result, first) for result in results)
