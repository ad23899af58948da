"""Brown's layout: the right patch under its number, its point, its pairs, and a clear word on anything else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from patch_folders import write_brown

from superpoint_tf.data.patch_sets.brown import find_brown, open_brown


def test_a_patch_is_read_by_its_number_from_its_row_and_column(tmp_path: Path):
    patches = write_brown(tmp_path / "liberty")
    brown = open_brown(tmp_path / "liberty")
    numbers = np.array([299, 17, 0, 256, 17])
    assert brown.name == "liberty" and len(brown.points) == 300
    np.testing.assert_array_equal(brown.read(numbers), patches[numbers])


def test_patches_are_halved_by_the_mean_of_four_pixels(tmp_path: Path):
    patches = write_brown(tmp_path / "liberty")
    halved = open_brown(tmp_path / "liberty").read(np.array([3]), side_px=32)[0]
    expected = patches[3].reshape(32, 2, 32, 2).mean((1, 3))
    assert np.abs(halved - expected).max() <= 0.5


def test_pairs_match_if_their_points_are_equal(tmp_path: Path):
    write_brown(tmp_path / "liberty")
    pairs = open_brown(tmp_path / "liberty").read_pairs()
    assert pairs.indices.shape == (200, 2) and pairs.matches[:100].all() and not pairs.matches[100:].any()


def test_the_largest_file_of_pairs_is_taken(tmp_path: Path):
    write_brown(tmp_path / "liberty")
    (tmp_path / "liberty" / "m50_1_1_0.txt").write_text("0 0 0 1 0 0\n")
    assert len(open_brown(tmp_path / "liberty").read_pairs().matches) == 200
    assert len(open_brown(tmp_path / "liberty").read_pairs(tmp_path / "liberty" / "m50_1_1_0.txt").matches) == 1


def test_training_reads_all_views_of_a_point(tmp_path: Path):
    patches = write_brown(tmp_path / "liberty")
    read = open_brown(tmp_path / "liberty").read_points()
    np.testing.assert_array_equal(read.views(7), patches[21:24])
    assert read.source_names == ("liberty",) and len(read.points_seen_twice()) == 100
    with pytest.raises(KeyError):
        read.views(100)


def test_sets_are_found_at_and_below_a_folder(tmp_path: Path):
    for name in ("notredame", "liberty"):
        write_brown(tmp_path / name)
    assert [brown.name for brown in find_brown(tmp_path)] == ["liberty", "notredame"]
    assert [brown.name for brown in find_brown(tmp_path / "liberty")] == ["liberty"]
    assert find_brown(tmp_path / "elsewhere") == []


def rewrite_line(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("file", "line", "text", "words"),
    [
        ("info.txt", 5, "x 0", "info.txt, line 5: 'x 0'; expected the number of a point"),
        ("m50_200_200_0.txt", 2, "1 2 3", "line 2: '1 2 3'; expected 6 integers"),
        ("m50_200_200_0.txt", 2, "0 0 0 300 0 0", r"line 2: patches \[0, 300\] of 300; is it another set's"),
        ("m50_200_200_0.txt", 3, "0 0 0 3 0 0", r"line 3: points \[0, 0\], info.txt has points \[0, 1\]"),
    ],
)
def test_a_foreign_line_is_named(tmp_path: Path, file: str, line: int, text: str, words: str):
    write_brown(tmp_path / "liberty")
    rewrite_line(tmp_path / "liberty" / file, line, text)
    with pytest.raises(ValueError, match=words):
        open_brown(tmp_path / "liberty").read_pairs()


def test_absent_and_wrong_pictures_are_named(tmp_path: Path):
    write_brown(tmp_path / "liberty")
    cv2.imwrite(str(tmp_path / "liberty" / "patches0001.bmp"), np.zeros((64, 1024), np.uint8))
    with pytest.raises(ValueError, match=r"patches0001.bmp: 1024x64 pixels; expected 1024x1024"):
        open_brown(tmp_path / "liberty").read(np.array([299]))
    (tmp_path / "liberty" / "patches0001.bmp").unlink()
    with pytest.raises(ValueError, match=r"1 pictures patches\*.bmp, info.txt lists 300 patches, 2 pictures"):
        open_brown(tmp_path / "liberty")


def test_an_absent_folder_and_absent_pairs_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere: no such folder; expected Brown's layout"):
        open_brown(tmp_path / "nowhere")
    write_brown(tmp_path / "liberty")
    (tmp_path / "liberty" / "m50_200_200_0.txt").unlink()
    with pytest.raises(ValueError, match=r"liberty: no m50_\*_0.txt"):
        open_brown(tmp_path / "liberty").read_pairs()
