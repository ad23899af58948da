"""Folders of pairs: the layouts of Middlebury and KITTI, their scales, hidden points, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.stereo.disparity_files import pfm_bytes
from superpoint_tf.data.stereo.stereo_folders import find_pairs, hidden_by
from superpoint_tf.data.stereo.stereo_source import ReadPairs, random_part

GREY = np.random.default_rng(0).integers(0, 256, (6, 9), np.uint8)


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def middlebury(folder: Path, name: str = "venus", truth: np.ndarray | None = None) -> Path:
    scene = folder / name
    write(scene / "im2.png", GREY)
    write(scene / "im6.png", 255 - GREY)
    write(scene / "disp2.png", np.full((6, 9), 16, np.uint8) if truth is None else truth)
    return scene


def test_middleburys_disparities_are_divided_by_the_scale_of_their_scene(tmp_path: Path) -> None:
    truth = np.full((6, 9), 16, np.uint8)
    truth[0, 0] = 0
    for name in ("venus", "teddy", "tsukuba", "own"):
        middlebury(tmp_path, name, truth)
    (tmp_path / "own" / "scale.txt").write_text("2\n")
    found = {pair.name: pair.read() for pair in find_pairs(tmp_path)}
    assert {name: float(pair.disparity[1, 1]) for name, pair in found.items()} == {
        "own": 8.0,
        "teddy": 4.0,
        "tsukuba": 1.0,
        "venus": 2.0,
    }
    assert np.isnan(found["venus"].disparity[0, 0]) and found["venus"].occluded is None
    assert (found["venus"].left == GREY).all() and (found["venus"].right == 255 - GREY).all()


def test_the_right_disparities_tell_what_is_hidden(tmp_path: Path) -> None:
    scene = middlebury(tmp_path)
    other = np.full((6, 9), 16, np.uint8)
    other[2, 3] = 64  # at x - 2 = 3 the right picture shows something 8 pixels off
    write(scene / "disp6.png", other)
    occluded = find_pairs(tmp_path)[0].read().occluded
    assert occluded is not None
    assert sorted(map(tuple, np.argwhere(occluded))) == sorted({(y, x) for y in range(6) for x in (0, 1)} | {(2, 5)})


def test_hidden_is_what_the_right_picture_says_otherwise_by_more_than_a_pixel() -> None:
    disparity = np.array([[0.0, 1.0, 1.0, np.nan, 2.0]], np.float32)
    right = np.array([[1.0, 2.5, np.nan, 0.0, 0.0]], np.float32)
    # x - d: 0 (1, within), 0 (1), 1 (2.5, off), unknown, 2 (unknown there)
    assert hidden_by(disparity, right)[0].tolist() == [False, False, True, False, True]


def test_middlebury_of_2014_has_pfm_and_says_how_many_disparities(tmp_path: Path) -> None:
    scene = tmp_path / "bike"
    write(scene / "im0.png", GREY)
    write(scene / "im1.png", GREY)
    values = np.full((6, 9), 3.25, np.float32)
    values[0, 0] = np.inf
    (scene / "disp0.pfm").write_bytes(pfm_bytes(values))
    (pair,) = find_pairs(scene)  # the scene itself may be named
    assert np.isnan(pair.read().disparity[0, 0]) and pair.read().disparity[1, 1] == 3.25
    assert pair.stated_disparities() == 0
    (scene / "calib.txt").write_text("cam0=[1 0 0]\nndisp=70\nisint=0\n")
    assert pair.stated_disparities() == 70
    (scene / "calib.txt").write_text("ndisp=-3\n")
    with pytest.raises(ValueError, match="`ndisp` is '-3'; expected a whole number"):
        pair.stated_disparities()


@pytest.mark.parametrize(("left", "right", "suffix"), [("image_2", "image_3", "_0"), ("image_0", "image_1", "")])
def test_kitti_has_16_bits_and_says_what_is_hidden(tmp_path: Path, left: str, right: str, suffix: str) -> None:
    everywhere = np.full((6, 9), 512, np.uint16)
    everywhere[0] = 0
    visible = everywhere.copy()
    visible[3, 4] = 0
    for folder, picture in ((left, GREY), (right, GREY)):
        write(tmp_path / folder / "000001_10.png", picture)
        write(tmp_path / folder / "000001_11.png", picture)  # of the next moment
    write(tmp_path / f"disp_occ{suffix}" / "000001_10.png", everywhere)
    write(tmp_path / f"disp_noc{suffix}" / "000001_10.png", visible)
    (pair,) = find_pairs(tmp_path)
    read = pair.read()
    assert pair.name == "000001_10" and np.isnan(read.disparity[0]).all() and (read.disparity[1:] == 2).all()
    assert read.occluded is not None and np.argwhere(read.occluded).tolist() == [[3, 4]]


def test_a_folder_without_pairs_says_what_is_expected(tmp_path: Path) -> None:
    write(tmp_path / "a.png", GREY)
    with pytest.raises(ValueError, match="no stereo pair with its disparities there; expected <name>"):
        find_pairs(tmp_path)
    with pytest.raises(ValueError, match="no such folder"):
        find_pairs(tmp_path / "absent")


def test_a_missing_picture_and_differing_sizes_are_named(tmp_path: Path) -> None:
    scene = middlebury(tmp_path)
    (scene / "im6.png").unlink()
    with pytest.raises(ValueError, match=r"im6\.png: missing, though its disparities are there"):
        find_pairs(tmp_path)
    write(scene / "im6.png", GREY[:, :8])
    with pytest.raises(PhotographError, match="8x6 and 9x6 pixels"):
        find_pairs(tmp_path)[0].read()
    (scene / "scale.txt").write_text("four")
    with pytest.raises(ValueError, match=r"scale\.txt: expected one number"):
        find_pairs(tmp_path)


def test_a_sample_is_a_part_of_a_pair_and_smaller_pairs_are_enlarged_where_nothing_is_known(tmp_path: Path) -> None:
    middlebury(tmp_path)
    pair = find_pairs(tmp_path)[0].read()
    part = random_part(pair, (4, 5), key=1, number=2)
    again = random_part(pair, (4, 5), key=1, number=2)
    assert part.left.shape == (4, 5) and (part.left == again.left).all()
    places = [(y, x) for y in range(3) for x in range(5) if (GREY[y : y + 4, x : x + 5] == part.left).all()]
    assert len(places) == 1 and (part.right == 255 - part.left).all()
    larger = random_part(pair, (8, 9), key=1, number=2)
    assert np.isnan(larger.disparity[6:]).all() and (larger.left[7] == GREY[5]).all()


def test_a_source_gives_batches_of_parts(tmp_path: Path) -> None:
    middlebury(tmp_path)
    source = ReadPairs((4, 5), find_pairs(tmp_path), 0, "pairs")
    batch = source.render(source.payloads(range(3)))
    assert batch["images0"].shape == batch["disparity"].shape == (3, 4, 5) and batch["numbers"].tolist() == [0, 1, 2]
    assert source.picture_name(7).endswith("im2.png")
