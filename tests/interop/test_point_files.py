"""Files of points in every layout, so small that each number can be checked by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.interop.point_files import PointFileError, read_points
from superpoint_tf.interop.point_folders import list_point_files, pair_files

XY = [[7.0, 3.0], [1.5, 2.0]]


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **{name: np.array(array) for name, array in arrays.items()})
    return path


@pytest.mark.parametrize(
    ("arrays", "scores"),
    [
        ({"points": [[3, 7], [2, 1.5]]}, [1, 1]),  # the TF1 pipeline: row, column
        ({"pts": [[7, 3, 0.5], [1.5, 2, 0.25]]}, [0.5, 0.25]),  # the PyTorch one: x, y, probability
        ({"keypoints": XY}, [1, 1]),
    ],
    ids=["points", "pts", "keypoints"],
)
def test_the_public_pipelines_arrays_give_xy_and_scores(arrays: dict[str, object], scores: list[float], tmp_path: Path):
    found = read_points(save(tmp_path / "a.npz", **arrays))
    assert found.keypoints.tolist() == XY and found.scores.tolist() == scores


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("7 3\n1.5 2\n", [1, 1]),
        ("7, 3\n\n1.5,2", [1, 1]),
        ("7;3;0.5\n1.5;2;0.25\n", [0.5, 0.25]),
        ("# by hand\n7\t3 # a corner\n1.5\t2\n", [1, 1]),
        ("x,y\n7,3\n1.5,2\n", [1, 1]),
        ("\ufeffrow,column,score\n3,7,0.5\n2,1.5,0.25\n", [0.5, 0.25]),
        ('"id","score","X","Y"\n1,0.5,7,3\n2,0.25,1.5,2\n', [0.5, 0.25]),
    ],
    ids=["spaces", "commas", "scores", "comments", "header", "rows and columns", "more columns"],
)
def test_text_is_xy_and_a_header_says_otherwise(text: str, scores: list[float], tmp_path: Path):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    found = read_points(tmp_path / "a.csv")
    assert found.keypoints.tolist() == XY and found.scores.tolist() == scores


def test_an_order_that_is_given_wins_over_the_layout_and_is_refused_beside_a_header(tmp_path: Path):
    assert read_points(save(tmp_path / "a.npz", points=XY), "xy").keypoints.tolist() == XY
    (tmp_path / "a.txt").write_text("3 7\n2 1.5\n")
    assert read_points(tmp_path / "a.txt", "yx").keypoints.tolist() == XY
    (tmp_path / "b.txt").write_text("x y\n7 3\n1.5 2\n")
    with pytest.raises(PointFileError, match="its header names the columns; leave --order out"):
        read_points(tmp_path / "b.txt", "yx")


def test_a_picture_may_have_no_points(tmp_path: Path):
    (tmp_path / "a.txt").write_text("\n")
    for path in (tmp_path / "a.txt", save(tmp_path / "a.npz", points=np.zeros(0))):
        assert read_points(path).keypoints.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7 3\n7 three\n", r"a\.txt, line 2: 'three' is no number"),
        ("7 3 1 4\n", r"a\.txt, line 1: 4 numbers, expected x y or x y score; name other columns"),
        ("7 3\n7 3 0.5\n", "some lines have two numbers and some three"),
        ("a b\n7 3\n", "its first line is 'a b'; expected columns x and y"),
        ("x y size\n7 3\n", "line 2: 2 values below 3 names"),
        ("7 nan\n", r"point 1 is \[7\.0, nan\], expected finite numbers"),
    ],
)
def test_text_that_cannot_be_meant_is_refused_with_its_line(text: str, words: str, tmp_path: Path):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(PointFileError, match=words):
        read_points(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"prob": np.zeros((4, 4))}, r"a\.npz: holds prob; expected an array `points` \(N, 2\)"),
        ({"pts": np.zeros((3, 5))}, r"`pts` is float64 \(3, 5\), expected numbers \(N, 2\) or \(N, 3\)"),
        ({"points": [["a", "b"]]}, r"`points` is <U1 \(1, 2\)"),
    ],
)
def test_arrays_of_another_layout_are_refused(arrays: dict[str, object], words: str, tmp_path: Path):
    with pytest.raises(PointFileError, match=words):
        read_points(save(tmp_path / "a.npz", **arrays))


def test_a_pickle_in_the_file_is_refused(tmp_path: Path):
    np.savez(tmp_path / "a.npz", points=np.array([object()]))
    with pytest.raises(PointFileError, match="damaged or not an"):
        read_points(tmp_path / "a.npz")


def test_files_belong_to_the_photograph_of_their_path_or_of_their_bare_name():
    photographs = ["train/a.jpg", "train/b.png", "val/b.png", "c.jpg"]
    pairs, alone = pair_files(["predictions/a.npz", "val/b.npz", "train/b.png.txt", "d.npz"], photographs)
    assert pairs == {"train/a.jpg": "predictions/a.npz", "val/b.png": "val/b.npz", "train/b.png": "train/b.png.txt"}
    assert alone == ["d.npz"]


def test_a_file_of_two_photographs_and_a_photograph_of_two_files_are_named():
    with pytest.raises(ValueError, match=r"b\.npz: of train/b\.png or of val/b\.png\? name it train/b\.png\.npz"):
        pair_files(["b.npz"], ["train/b.png", "val/b.png"])
    with pytest.raises(ValueError, match=r"a\.jpg has points in a\.npz and in a\.txt; remove one"):
        pair_files(["a.npz", "a.txt"], ["a.jpg"])


def test_only_files_of_points_are_listed(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    for name in ("deep/a.npz", "b.TXT", "c.csv", "d.png", ".e.txt"):
        (tmp_path / name).touch()
    assert list_point_files(str(tmp_path)) == ["b.TXT", "c.csv", "deep/a.npz"]
    with pytest.raises(FileNotFoundError, match=r"no files of points in .*nowhere \(it does not exist\)"):
        list_point_files(str(tmp_path / "nowhere"))
