"""Feature files: the layout that hloc reads, what other programs wrote, and damage that is named."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import (
    DamagedFeatures,
    check_features,
    open_features,
    read_features,
    write_features,
)

THREE = Features(
    np.array([[1, 2], [3, 4], [5, 6]], np.float32),
    np.array([0.9, 0.5, 0.1], np.float32),
    np.arange(12, dtype=np.float32).reshape(3, 4),
)


def test_a_group_has_the_names_shapes_and_size_order_that_hloc_reads(tmp_path: Path):
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "folder/a.jpg", THREE, (480, 640))
    with h5py.File(tmp_path / "f.h5") as file:
        group = file["folder/a.jpg"]
        assert group["keypoints"].shape == (3, 2) and group["scores"].shape == (3,)
        assert group["descriptors"].shape == (4, 3)  # a column a keypoint
        assert group["image_size"][()].tolist() == [640, 480]  # width first


@pytest.mark.parametrize("descriptors", [THREE.descriptors, None, np.arange(6, dtype=np.uint8).reshape(3, 2)])
def test_what_is_written_is_read_again_and_bit_strings_stay_bytes(tmp_path: Path, descriptors):
    features = THREE._replace(descriptors=descriptors)
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "a", features, (48, 64))
        found, shape = read_features(file, "a")
    assert shape == (48, 64)
    for before, after in zip(features, found, strict=True):
        assert (before is None) == (after is None)
        if before is not None:
            np.testing.assert_array_equal(before, after)
            assert before.dtype == after.dtype


def test_half_precision_and_missing_scores_of_other_programs_are_read(tmp_path: Path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a/keypoints"] = THREE.keypoints.astype(np.float16)
        file["a/descriptors"] = THREE.descriptors.T.astype(np.float16)
    with open_features(tmp_path / "f.h5") as file:
        features, shape = read_features(file, "a")
    assert shape is None and features.descriptors.dtype == np.float32
    assert features.scores.tolist() == [3, 2, 1]  # the order in the file is the ranking


def test_descriptors_stored_the_wrong_way_round_are_refused_in_the_files_own_terms(tmp_path: Path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a/keypoints"], file["a/descriptors"] = THREE.keypoints, THREE.descriptors
    with open_features(tmp_path / "f.h5") as file, pytest.raises(ValueError, match=r"\(3, 4\) for 3 .* \(D, 3\)"):
        read_features(file, "a")


def test_a_disk_that_fails_is_not_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "a", THREE, (480, 640))

    def fail(path, mode):
        raise OSError(37, "Unable to lock file, errno = 37, error message = 'No locks available'")

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(OSError, match="No locks available") as raised:
        open_features(tmp_path / "f.h5", "a")
    assert not isinstance(raised.value, DamagedFeatures)


def test_errors_name_the_file_and_the_picture(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5: no such file"):
        open_features(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(DamagedFeatures, match=r"text\.h5: damaged"):
        open_features(tmp_path / "text.h5")
    with open_features(tmp_path / "f.h5", "a") as file, pytest.raises(ValueError, match=r"f\.h5: b\.jpg: no features"):
        read_features(file, "b.jpg")


def test_a_file_that_another_process_writes_is_not_called_damaged(tmp_path: Path):
    import subprocess
    import sys

    hold = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path / "f.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        with pytest.raises(ValueError, match="another process is writing") as raised:
            open_features(tmp_path / "f.h5", "a")
        assert not isinstance(raised.value, DamagedFeatures)
        other.communicate()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keypoints": np.zeros((3, 3))}, r"keypoints have shape \(3, 3\)"),
        ({"scores": np.zeros(2)}, r"scores have shape \(2,\) for 3 keypoints"),
        ({"descriptors": np.zeros((4, 3))}, r"descriptors have shape \(4, 3\); expected \(3, D\)"),
        ({"keypoints": np.full((3, 2), np.nan)}, "NaN or infinity"),
        ({"keypoints": [[1, 2], [3], [4, 5]]}, "not arrays of numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(change, words):
    with pytest.raises(ValueError, match="mine: .*" + words):
        check_features(*THREE._replace(**change)[:3], "mine")


def test_nothing_found_is_no_error():
    features = check_features([], [], np.zeros((0, 8)), "mine")
    assert features.keypoints.shape == (0, 2) and features.descriptors.shape == (0, 8)
    assert len(check_features([], [], np.array([]), "mine").descriptors) == 0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("keypoints", np.array(["a", "b"], dtype="S1"), "keypoints: not an array of numbers"),
        ("scores", None, "scores: not an array of numbers"),  # a group
        ("image_size", np.array(640), "image_size is 640; expected"),
        ("image_size", np.array([0, 480]), r"image_size is \[0, 480\]; expected"),
    ],
)
def test_what_is_no_array_of_numbers_of_the_right_shape_is_named(
    tmp_path: Path, key: str, value: np.ndarray | None, words: str
):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        group = write_features(file, "a.jpg", Features(np.zeros((2, 2)), np.ones(2)), (48, 64))
        del group[key]
        if value is None:
            group.create_group(key)
        else:
            group[key] = value
        with pytest.raises(ValueError, match=rf"f\.h5: a\.jpg.*{words}"):
            read_features(file, "a.jpg")


def test_an_array_that_claims_a_terabyte_is_refused_before_it_is_allocated(tmp_path: Path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        group = file.create_group("a.jpg")
        group.create_dataset("keypoints", shape=(2**37, 2), dtype="f4", chunks=(1024, 2))  # nothing is written
        with pytest.raises(ValueError, match=r"a\.jpg/keypoints: claims \(137438953472, 2\) numbers"):
            read_features(file, "a.jpg")
    assert (tmp_path / "f.h5").stat().st_size < 10_000


def test_a_file_whose_bits_are_flipped_gives_features_that_fit_or_a_clear_error(tmp_path: Path):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        write_features(file, "a.jpg", Features(np.ones((3, 2)), np.ones(3), np.ones((3, 8), np.float32)), (48, 64))
    content = path.read_bytes()
    for place in range(0, len(content), 37):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            with open_features(path) as file:
                found, _ = read_features(file, "a.jpg")
        except (ValueError, OSError) as error:
            assert "f.h5" in str(error)
        else:
            assert len(found.keypoints) == len(found.scores)


def test_sizes_and_angles_are_kept_beside_what_hloc_reads(tmp_path: Path):
    framed = THREE._replace(sizes=np.array([3, 4.5, 9], np.float32), angles_deg=np.array([0, -1, 359], np.float32))
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "a", framed, (48, 64))
        found, _ = read_features(file, "a")
        assert file["a/keypoints"].shape == (3, 2)
    np.testing.assert_array_equal(found.sizes, framed.sizes)
    np.testing.assert_array_equal(found.angles_deg, framed.angles_deg)
    last = found.take(np.array([2, 0]))
    assert last.sizes.tolist() == [9, 3] and last.angles_deg.tolist() == [359, 0]
    assert found.take(slice(1)).sizes.tolist() == [3] and THREE.take(slice(1)).sizes is None


def test_a_resized_picture_has_keypoints_of_other_sizes():
    framed = THREE._replace(sizes=np.array([3, 4, 9], np.float32)).scaled(2.0 * THREE.keypoints, 2.0)
    assert framed.sizes.tolist() == [6, 8, 18] and framed.keypoints[0].tolist() == [2, 4]
    assert framed.keypoints.dtype == framed.sizes.dtype == np.float32


@pytest.mark.parametrize("values", [np.ones(2), np.ones((3, 1)), np.array([1, np.nan, 1])])
def test_sizes_that_do_not_fit_are_refused_by_their_name(tmp_path: Path, values: np.ndarray):
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "a", THREE, (48, 64))["sizes"] = values
        with pytest.raises(ValueError, match=r"f\.h5: a/sizes: has shape .* expected \(3,\), one a keypoint"):
            read_features(file, "a")
