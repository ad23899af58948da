"""Labels come back as they were written, and nothing damaged, foreign or outdated is ever loaded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf.data.labels.label_origin import IDENTITY_FILE
from superpoint_tf.data.labels.label_sets import labelled_photographs
from superpoint_tf.data.labels.label_votes import MAX_VOTES, cut_votes, pack_votes, unpack_votes
from superpoint_tf.data.labels.labels import (
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
from superpoint_tf.runtime import operating_system, storage

LABEL = Label(np.array([[1.5, 2.0], [3.0, 4.0]]), np.array([0.9, 0.1]), (240, 320), np.diag([0.5, 0.5, 1.0]), "ab" * 32)


def a_manifest() -> LabelManifest:
    counts = {"photographs": 1, "keypoints": 2, "keypoints_per_image": 2.0, "labels_sha256": "0" * 64}
    counts["left_out"] = [{"path": "b.jpg", "reason": "empty file"}]
    detector = {"path": "w.npz", "sha256": "0"}
    return LabelManifest(
        "photos", 2, (1, 2), detector, {"seed": 0}, counts, validation=("a b/ü.jpg",), chunks=(3, 0, 2)
    )


def an_old_manifest(schema_version: int) -> LabelManifest:
    return dataclasses.replace(a_manifest(), photographs=("a.jpg",), chunks=(), schema_version=schema_version)


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


def voted(votes: np.ndarray, num_votes: int) -> Label:
    return dataclasses.replace(LABEL, image_shape=votes.shape, votes=votes, num_votes=num_votes)


def test_votes_come_back_as_the_fewest_of_every_two_by_two_pixels(tmp_path: Path):
    votes = np.array([[4, 4, 1, 3, 5], [4, 4, 2, 3, 5], [0, 6, 6, 6, 6]], np.uint16)
    save_label(str(tmp_path / "x.npz"), voted(votes, 6))
    label = load_label(str(tmp_path / "x.npz"))
    assert label.votes.tolist() == [[4, 4, 1, 1, 5], [4, 4, 1, 1, 5], [0, 0, 6, 6, 6]]
    assert label.votes.dtype == np.uint16 and label.num_votes == 6


@pytest.mark.parametrize("num_votes, dtype", [(255, np.uint8), (256, np.uint16), (MAX_VOTES, np.uint16)])
def test_packed_votes_take_no_more_bytes_than_they_need_and_any_number_comes_back(num_votes: int, dtype: type):
    fewest = np.random.default_rng(0).integers(0, num_votes + 1, (7, 5))
    votes = fewest.repeat(2, axis=0).repeat(2, axis=1)[:13, :9].astype(np.uint16)
    packed = pack_votes(votes, num_votes)
    assert packed.dtype == dtype and packed.shape == (7, 5)
    np.testing.assert_array_equal(unpack_votes(packed, (13, 9)), votes)


def test_what_a_share_of_the_votes_saw_is_known_and_what_none_saw_never_is():
    label = voted(np.array([[0, 1, 2, 3, 4]], np.uint16), 8)
    assert label.known(0.25).tolist() == [[False, False, True, True, True]]
    assert label.known(0.0).tolist() == [[False, True, True, True, True]]
    assert not label.known(1.0).any()


def test_a_label_without_votes_is_known_everywhere(tmp_path: Path):
    assert LABEL.known(1.0).all() and LABEL.votes.shape == (240, 320)


def test_votes_within_the_border_are_cut_and_a_frame_smaller_than_its_borders_has_none():
    assert (
        cut_votes(np.full((5, 6), 2.0, np.float32), 2).tolist() == [[0] * 6] * 2 + [[0, 0, 2, 2, 0, 0]] + [[0] * 6] * 2
    )
    assert not cut_votes(np.ones((5, 6)), 3).any() and cut_votes(np.ones((5, 6)), 0).all()


def test_a_label_of_format_1_is_read_as_unknown_within_16_px_of_the_frame_and_known_elsewhere(tmp_path: Path):
    save_label(str(tmp_path / "x.npz"), LABEL)
    arrays = storage.load_npz(str(tmp_path / "x.npz"))
    old = {name: arrays[name] for name in arrays if name not in ("format", "votes", "num_votes")}
    (tmp_path / "x.npz").write_bytes(storage.npz_bytes(**old))
    label = load_label(str(tmp_path / "x.npz"))
    np.testing.assert_array_equal(label.keypoints, LABEL.keypoints)
    rows, columns = np.nonzero(label.known(1.0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 223, 16, 303)
    assert len(rows) == 208 * 288 and label.num_votes == 1


def test_a_labelled_photograph_takes_some_six_kilobytes(tmp_path: Path):
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:240, :320]
    votes = sum((a * x + b * y > c) for a, b, c in generator.uniform(-200, 200, (20, 3)))  # twenty straight edges
    keypoints, scores = generator.uniform(0, 240, (300, 2)).round(), generator.random(300)
    label = dataclasses.replace(LABEL, keypoints=keypoints, scores=scores, votes=votes, num_votes=20)
    save_label(str(tmp_path / "x.npz"), label)
    assert (tmp_path / "x.npz").stat().st_size < 6000


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


@pytest.mark.parametrize("name", ["..\\a.jpg", "s\\..\\..\\a.jpg", "C:\\a.jpg", "C:a.jpg", "\\a.jpg"])
def test_on_windows_a_name_that_leads_out_of_the_folder_is_refused(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(operating_system, "WINDOWS", True)
    assert label_path("labels/x", 1, "s/a.jpg") == "labels/x/round_1/s/a.jpg.npz"
    with pytest.raises(LabelError, match="not a path below the image root"):
        label_path("labels/x", 1, name)


def test_labels_never_attach_to_a_picture_that_changed(tmp_path: Path):
    save_label(str(tmp_path / "x.npz"), LABEL)
    with pytest.raises(LabelError, match=r"x\.npz: made from another version .*homographic_adapt\.py"):
        load_label(str(tmp_path / "x.npz"), expected_sha256="cd" * 32)


def test_a_missing_label_names_the_tool(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"x\.npz: no such label file; run python tools/homographic_adapt\.py"):
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
        (
            {"keypoints": np.zeros((2, 3), np.float32)},
            r"keypoints is float32 \(2, 3\), expected floats \(N, 2\)",
        ),
        ({"keypoints": np.array("a")}, "keypoints is <U1"),
        ({"scores": np.zeros(3, np.float32)}, "2 keypoints but 3 scores"),
        ({"keypoints": np.zeros((2, 2), np.int64)}, "keypoints is int64"),
        ({"keypoints": np.full((2, 2), np.nan, np.float32)}, "not finite"),
        ({"scores": np.array([1, np.inf])}, "scores are not finite"),
        ({"image_shape": np.array([0, 5])}, r"image_shape is \[0, 5\], expected 1 to 8192 px"),
        ({"sha256": np.array(5)}, "sha256 is int64"),
        ({"image_shape": np.array([240, 10**9])}, r"image_shape is \[240, 1000000000\]"),
        ({"format": np.array(3)}, "label format '3', this version reads 1 and 2; delete it"),
        ({"format": np.array("2")}, "label format '2', this"),
        ({"votes": None}, "votes missing"),
        ({"votes": np.zeros((240, 320), np.uint8)}, r"votes is uint8 \(240, 320\), expected .* \(120, 160\)"),
        ({"votes": np.zeros((120, 160), np.float32)}, "votes is float32"),
        ({"num_votes": None}, "num_votes missing"),
        ({"num_votes": np.array([1])}, r"num_votes is int64 \(1,\), expected whole numbers \(\)"),
        ({"num_votes": np.array(1.5)}, "num_votes is float64"),
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


@pytest.mark.parametrize("schema_version", [1, 2])
def test_manifests_of_before_that_list_all_photographs_are_still_read(tmp_path: Path, schema_version: int):
    write_manifest(str(tmp_path), an_old_manifest(schema_version))
    manifest = read_manifest(str(tmp_path))
    assert manifest == an_old_manifest(schema_version) and manifest.has_votes == (schema_version == 2)
    assert a_manifest().has_votes and tuple(labelled_photographs(str(tmp_path), manifest)) == ("a.jpg",)
    values = json.loads((tmp_path / "manifest.json").read_text())
    assert values["photographs"] == ["a.jpg"] and "chunks" not in values  # as those versions wrote it


def test_the_fingerprint_tells_labels_order_and_held_out_photographs_and_that_of_before_stays():
    old = an_old_manifest(2)
    expected = storage.sha256(json.dumps([2, "0" * 64, ["a.jpg"], ["a b/ü.jpg"]]).encode())
    assert old.fingerprint() == expected
    others = [
        dataclasses.replace(a_manifest(), **change)
        for change in ({"chunks": (3, 2)}, {"validation": ()}, {"final_round": 1})
    ]
    assert len({manifest.fingerprint() for manifest in [a_manifest(), old, *others]}) == 5
    assert dataclasses.replace(a_manifest(), image_root="elsewhere").fingerprint() == a_manifest().fingerprint()


def test_a_folder_without_manifest_names_the_tool(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no labels in .*run python tools/homographic_adapt\.py"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schema_version": 99}, "schema 99, this version reads 1 to 3"),
        ({"chunks": "5"}, r"not a manifest of labels \(what does not fit: chunks\)"),
        ({"chunks": ["5"]}, r".*fit: chunks\)"),
        ({"chunks": [-1]}, r"not a manifest of labels \(sizes of chunks"),
        ({"schema_version": 2}, r".*fit: photographs\)"),
        ({"final_round": "2"}, r".*fit: final_round\)"),
        ({"counts": {"photographs": 1}}, r".*counts\.keypoints, .*counts\.left_out\)"),
        ({"extra": 1}, r".*unknown keys\)"),
        ({"schema_version": 99, "extra": 1}, "schema 99"),
    ],
)
def test_a_foreign_manifest_is_refused(tmp_path: Path, change: dict[str, Any], message: str):
    write_manifest(str(tmp_path), a_manifest())
    path = Path(manifest_path(str(tmp_path)))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(LabelError, match=rf"manifest\.json: {message}.*homographic_adapt\.py"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str):
    Path(manifest_path(str(tmp_path))).write_text(content)
    with pytest.raises(LabelError, match=r"manifest\.json"):
        read_manifest(str(tmp_path))


def test_remedies_for_imported_labels_name_the_import(tmp_path: Path):
    storage.write_json(tmp_path / IDENTITY_FILE, {"rounds": 1, "detector_sha256": ""})
    path = label_path(str(tmp_path), 1, "trip/a.jpg")
    again = r"import them again \(python tools/import_labels\.py \.\.\. --overwrite\)"
    with pytest.raises(FileNotFoundError, match=rf"no such label file; {again}"):
        load_label(path)
    save_label(path, Label(np.zeros((0, 2)), np.zeros(0), (24, 32), np.eye(3), "of before"))
    with pytest.raises(LabelError, match=rf"its content changed\); {again}"):
        load_label(path, expected_sha256="of now")
    storage.write_json(tmp_path / IDENTITY_FILE, {"rounds": 1, "detector_sha256": "a1"})
    with pytest.raises(LabelError, match=r"delete it and run python tools/homographic_adapt\.py again"):
        load_label(path, expected_sha256="of now")
