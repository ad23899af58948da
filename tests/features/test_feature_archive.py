"""The file that survives being killed: parts, merging, what is taken up and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from superpoint_tf.features import Features
from superpoint_tf.features import feature_archive as archive_module
from superpoint_tf.features.feature_archive import FeatureArchive
from superpoint_tf.features.feature_files import DamagedFeatures, read_features

ROOT = Path(__file__).resolve().parents[2]
IDENTITY = {"weights_sha256": "0" * 64, "threshold": 0.1}


def features(count: int) -> Features:
    return Features(np.ones((count, 2), np.float32), np.ones(count, np.float32), np.ones((count, 4), np.float32))


def fill(path: Path, *names: str, interval_s: float = 1e9, count: int = 3, **options: bool) -> None:
    with FeatureArchive(path, IDENTITY, interval_s=interval_s, **options) as archive:
        for name in names:
            archive.write(name, features(count), (48, 64), f"hash of {name}")


def stored(path: Path) -> dict[str, int]:
    """Return the number of keypoints by picture, read as another program does."""
    found: dict[str, int] = {}

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and "keypoints" in item:
            found[name] = len(item["keypoints"])

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def test_one_file_is_left_whatever_the_number_of_parts(tmp_path: Path):
    path = tmp_path / "f.h5"
    fill(path, "a.jpg", "d/b.jpg", "v.mp4/000001.jpg", interval_s=0)
    assert stored(path) == {"a.jpg": 3, "d/b.jpg": 3, "v.mp4/000001.jpg": 3}
    fill(path, "c.jpg")
    assert len(stored(path)) == 4 and [entry.name for entry in tmp_path.iterdir()] == ["f.h5"]


def test_a_picture_is_there_only_with_the_very_content_and_a_new_one_replaces_it(tmp_path: Path):
    path = tmp_path / "f.h5"
    fill(path, "a.jpg", "b.jpg")
    with FeatureArchive(path, IDENTITY) as archive:
        assert archive.has("a.jpg", "hash of a.jpg") and not archive.has("a.jpg", "other")
        assert not archive.has("c.jpg", "hash of a.jpg") and archive.has("b.jpg", "hash of b.jpg")
        archive.write("a.jpg", features(5), (48, 64), "other")
    assert stored(path) == {"a.jpg": 5, "b.jpg": 3}


@pytest.mark.parametrize("before", [[], ["z.jpg"]])
def test_a_writer_that_is_killed_loses_the_part_it_was_writing_and_nothing_else(tmp_path: Path, before: list[str]):
    path = tmp_path / "f.h5"
    if before:
        fill(path, *before)
    code = (
        "import os, signal, sys, numpy as np; from pathlib import Path\n"
        "from superpoint_tf.features.feature_archive import FeatureArchive\n"
        "from superpoint_tf.features import Features\n"
        f"archive = FeatureArchive(sys.argv[1], {IDENTITY!r}, interval_s=0)\n"
        "one = Features(np.ones((3, 2)), np.ones(3), np.ones((3, 4)))\n"
        "for name in ('a.jpg', 'b.jpg', 'c.jpg'): archive.write(name, one, (48, 64), f'hash of {name}')\n"
        "archive._interval_s = 1e9\n"
        "archive.write('d.jpg', one, (48, 64), 'hash of d.jpg'); archive._part.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    with FeatureArchive(path, IDENTITY) as archive:
        there = {name: archive.has(name, f"hash of {name}") for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", *before)}
    assert there.pop("d.jpg") is False and all(there.values())
    assert sorted(stored(path)) == ["a.jpg", "b.jpg", "c.jpg", *before]
    assert [entry.name for entry in tmp_path.iterdir()] == ["f.h5"]


@pytest.mark.parametrize("failing", ["replace", "copyfile"])
def test_what_ends_the_merging_leaves_old_file_and_parts_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
):
    path = tmp_path / "f.h5"
    fill(path, "a.jpg")
    with monkeypatch.context() as patched:
        real = os.replace

        def fail(source: object, target: object) -> None:
            if failing == "copyfile" or target == path:
                raise OSError(28, "No space left on device")
            real(source, target)  # type: ignore[call-overload]

        patched.setattr(archive_module.os if failing == "replace" else archive_module.shutil, failing, fail)
        with pytest.raises(OSError, match="No space"):
            fill(path, "b.jpg")
    assert stored(path) == {"a.jpg": 3} and not list(tmp_path.glob("*.part"))
    fill(path)
    assert stored(path) == {"a.jpg": 3, "b.jpg": 3}


def test_two_processes_cannot_write_one_file(tmp_path: Path):
    with FeatureArchive(tmp_path / "f.h5", IDENTITY) as first:
        with pytest.raises(ValueError, match=r"f\.h5: another process is writing it"):
            FeatureArchive(tmp_path / "f.h5", IDENTITY)
        first.write("a.jpg", features(3), (48, 64), "hash")
    assert stored(tmp_path / "f.h5") == {"a.jpg": 3}


def test_other_settings_are_refused_by_name_in_the_file_and_in_parts(tmp_path: Path):
    path = tmp_path / "f.h5"
    fill(path, "a.jpg")
    with pytest.raises(ValueError, match=r"threshold: 0\.1 -> 0\.2\); pass --overwrite"):
        FeatureArchive(path, {**IDENTITY, "threshold": 0.2})
    with FeatureArchive(path, {**IDENTITY, "threshold": 0.2}, overwrite=True) as archive:
        assert not archive.has("a.jpg", "hash of a.jpg")


def test_overwrite_keeps_the_old_file_until_the_new_one_is_complete(tmp_path: Path):
    path, other = tmp_path / "f.h5", {**IDENTITY, "threshold": 0.2}
    fill(path, "a.jpg", "b.jpg")
    for name in ("a.jpg", "b.jpg"):
        assert stored(path) == {"a.jpg": 3, "b.jpg": 3}
        with pytest.raises(RuntimeError), FeatureArchive(path, other, overwrite=True, interval_s=0) as archive:
            assert len(archive) == (name == "b.jpg")  # what the stopped run found is kept
            archive.write(name, features(5), (48, 64), f"hash of {name}")
            raise RuntimeError("stopped")
    with FeatureArchive(path, other, overwrite=True) as archive:
        assert len(archive) == 2
    assert stored(path) == {"a.jpg": 5, "b.jpg": 5} and [entry.name for entry in tmp_path.iterdir()] == ["f.h5"]


def test_what_is_not_ours_is_never_deleted(tmp_path: Path):
    (tmp_path / "thesis.h5").write_text("years of work")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a/keypoints"] = np.ones((3, 2))
    for name, words in (("thesis.h5", "not a feature file"), ("other.h5", "did not write")):
        for overwrite in (False, True):
            with pytest.raises(ValueError, match=words):
                FeatureArchive(tmp_path / name, IDENTITY, overwrite)
    assert (tmp_path / "thesis.h5").read_text() == "years of work" and stored(tmp_path / "other.h5") == {"a": 3}
    assert not list(tmp_path.glob("*.parts"))


def test_a_damaged_file_is_named_with_the_remedy_and_replaced_on_request(tmp_path: Path):
    path = tmp_path / "f.h5"
    fill(path, "a.jpg")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DamagedFeatures, match=r"f\.h5: damaged .* or pass --overwrite"):
        FeatureArchive(path, IDENTITY)
    fill(path, "b.jpg", overwrite=True)
    assert stored(path) == {"b.jpg": 3}


def test_what_was_merged_is_read_by_our_reader(tmp_path: Path):
    fill(tmp_path / "f.h5", "d/a.jpg", "d/b.jpg", interval_s=0)
    with h5py.File(tmp_path / "f.h5") as file:
        found, image_shape = read_features(file, "d/a.jpg")
    assert image_shape == (48, 64) and found.descriptors is not None and found.descriptors.shape == (3, 4)
