"""`--masks`, `--stretch` and `--views` as a user meets them, in extract, match and show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from picture_zoo import turn
from PIL import Image
from turned_video import write_turned_video

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs

Run = Callable[..., int]
Said = pytest.CaptureFixture[str]


def noise(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def left_half(shape: tuple[int, int]) -> np.ndarray:
    """Return a mask whose left half may be used."""
    mask = np.zeros(shape, np.uint8)
    mask[:, : shape[1] // 2] = 255
    return mask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures trip/b.png and trip/day/a.jpg with masks, trip/c.png without."""
    for name, seed, shape in (("b.png", 0, (48, 64)), ("day/a.jpg", 1, (40, 56)), ("c.png", 2, (48, 64))):
        for root in ("trip", "masks"):
            (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "trip" / name), noise(seed, shape))
        if name != "c.png":
            cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), left_half(shape))
    return tmp_path


@pytest.fixture
def extract(run_tool: Run, tiny_weights: str) -> Run:
    return lambda *arguments: run_tool(
        "extract.py", *arguments, "--weights", tiny_weights, "--threshold", "0.001", "--max-keypoints", "20"
    )


def keypoints(name: str, file: str = "features.h5") -> np.ndarray:
    with h5py.File(file) as opened:
        found: np.ndarray = opened[f"{name}/keypoints"][()]
        return found


def test_masks_have_colmaps_names_and_a_picture_without_one_is_used_whole_counted_and_said(
    extract: Run, folder: Path, capsys: Said
):
    assert extract("trip", "--masks", "masks") == 0
    said = capsys.readouterr().out
    assert "masks | 2 of 3 pictures have a mask in masks" in said
    assert " warn | 1 without a mask are used as a whole: c.png" in said
    for name, width in (("b.png", 64), ("day/a.jpg", 56)):
        found = keypoints(name)
        assert len(found) == 20 and found[:, 0].max() < width // 2  # the budget is of what the mask leaves
    assert keypoints("c.png")[:, 0].max() > 32


def test_a_mask_that_changed_makes_its_pictures_features_anew_and_no_others(extract: Run, folder: Path, capsys: Said):
    assert extract("trip", "--masks", "masks") == 0
    cv2.imwrite("masks/b.png.png", 255 - left_half((48, 64)))
    capsys.readouterr()
    assert extract("trip", "--masks", "masks") == 0
    said = capsys.readouterr().out
    assert "1 extracted" in said and "2 were there" in said and "2 of 3 pictures have a mask" in said
    assert keypoints("b.png")[:, 0].min() >= 32
    assert extract("trip") == 0 and "2 extracted" in capsys.readouterr().out
    assert keypoints("b.png")[:, 0].min() < 32 < keypoints("b.png")[:, 0].max()


def test_a_mask_of_another_size_leaves_its_picture_out_with_both_sizes(extract: Run, folder: Path, capsys: Said):
    cv2.imwrite("masks/b.png.png", left_half((64, 48)))
    assert extract("trip", "--masks", "masks") == 0
    left = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(" left |"))
    assert "trip/b.png: its mask masks/b.png.png has 48x64 pixels, the picture 64x48" in left
    assert extract("trip", "--masks", "masks", "--strict", "--output", "s.h5") == 1
    assert "has 48x64 pixels, the picture 64x48" in capsys.readouterr().err


def test_one_picture_is_the_mask_of_all(extract: Run, folder: Path):
    assert extract("trip/b.png", "trip/c.png", "--masks", "masks/b.png.png") == 0
    assert keypoints("b.png")[:, 0].max() < 32 and keypoints("c.png")[:, 0].max() < 32


def test_masks_that_fit_no_picture_are_named_with_what_was_looked_for(extract: Run, folder: Path, capsys: Said):
    Path("empty").mkdir()
    assert extract("trip", "--masks", "empty") == 0
    said = capsys.readouterr().out
    assert "0 of 3 pictures have a mask in empty" in said and "with .png behind: empty/b.png.png" in said
    assert extract("trip", "--masks", "absent") == 2
    assert "absent: no such folder; masks lie below it by the pictures' names" in capsys.readouterr().err


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_the_mask_of_a_picture_that_exif_turns_lies_beside_the_stored_pixels(
    extract: Run, tmp_path: Path, orientation: int
):
    """Keypoints are in the pixels that the file stores, and so is the mask, whatever way the network saw both."""
    exif, stored, mask = Image.Exif(), noise(4), left_half((48, 64))
    exif[0x0112] = orientation
    Image.fromarray(stored).convert("RGB").save(tmp_path / "t.png", exif=exif)
    cv2.imwrite("u.png", turn(stored, orientation))
    Path("masks").mkdir()
    cv2.imwrite("masks/t.png.png", mask)
    cv2.imwrite("masks/u.png.png", turn(mask, orientation))
    assert extract("t.png", "u.png", "--masks", "masks") == 0
    found, upright = keypoints("t.png"), keypoints("u.png")
    assert len(found) == 20 and found[:, 0].max() < 32
    shown = np.zeros_like(turn(stored, orientation))
    shown[upright[:, 1].astype(int), upright[:, 0].astype(int)] = 1
    kept = np.zeros_like(stored)
    kept[found[:, 1].astype(int), found[:, 0].astype(int)] = 1
    np.testing.assert_array_equal(turn(kept, orientation), shown)


@pytest.mark.parametrize("settings", [["--resize", "128"], ["--scales", "0.5,1"], ["--phases", "2", "--subpixel"]])
def test_nothing_lies_under_a_mask_at_other_sizes_scales_and_phases(extract: Run, tmp_path: Path, settings: list[str]):
    coarse = noise(5, (30, 40))
    cv2.imwrite("l.png", coarse.repeat(5, 0).repeat(5, 1))
    mask = np.zeros((150, 200), np.uint8)
    mask[41:133, 57:161], mask[80:90, 80:90] = 9, 0
    cv2.imwrite("m.png", mask)
    assert extract("l.png", "--masks", "m.png", *settings) == 0
    found = np.floor(keypoints("l.png") + 0.5).astype(int)
    assert len(found) == 20 and (mask[found[:, 1], found[:, 0]] > 0).all()


def test_patch_systems_with_classical_detectors_know_masks(run_tool: Run, folder: Path, patch_weights: dict[str, str]):
    cv2.imwrite("l.png", noise(6, (30, 40)).repeat(5, 0).repeat(5, 1))
    cv2.imwrite("m.png", left_half((150, 200)))
    what = ["--keypoints", "sift", "--descriptor", patch_weights["hardnet"], "--max-keypoints", "12"]
    assert run_tool("extract.py", "l.png", "--masks", "m.png", *what) == 0
    with h5py.File("features.h5") as file:
        found, descriptors = file["l.png/keypoints"][()], file["l.png/descriptors"][()]
    assert len(found) == 12 and found[:, 0].max() < 99.5 and descriptors.shape == (128, 12)


def test_a_video_has_one_mask_or_one_for_each_frame(extract: Run, tmp_path: Path, capsys: Said):
    """In the pixels that players show: this one is turned by a quarter."""
    frames = [np.repeat(noise(number)[:, :, None], 3, axis=2) for number in range(3)]
    write_turned_video(tmp_path / "v.mp4", frames, 90)
    Path("masks/v.mp4").mkdir(parents=True)
    cv2.imwrite("masks/v.mp4.png", left_half((64, 48)))
    cv2.imwrite("masks/v.mp4/000001.jpg.png", 255 - left_half((64, 48)))
    cv2.imwrite("masks/v.mp4/000002.jpg.png", left_half((48, 64)))
    assert extract("v.mp4", "--masks", "masks") == 0
    said = capsys.readouterr().out
    assert "2 of 2 pictures have a mask in masks" in said and "000002.jpg.png has 64x48 pixels, the picture" in said
    assert keypoints("v.mp4/000000.jpg")[:, 0].max() < 24 <= keypoints("v.mp4/000001.jpg")[:, 0].min()


@pytest.fixture
def thermal(tmp_path: Path) -> Path:
    """The same scene in 8 bits and in a small part of 16: t.png and same.png."""
    root = find_photographs(PhotographsSection(), BUNDLED).root
    grey = cv2.resize(cv2.imread(f"{root}/camera.png", 0), (320, 320), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "same.png"), grey)
    cv2.imwrite(str(tmp_path / "t.png"), (7600 + grey.astype(np.uint16) * 4).astype(np.uint16))
    return tmp_path


def test_a_thermal_picture_gets_a_hint_and_stretched_what_it_has_in_eight_bits(
    run_tool: Run, thermal: Path, capsys: Said
):
    assert run_tool("extract.py", "same.png", "t.png") == 0
    said = capsys.readouterr().out
    assert " hint | t.png: hardly a keypoint, and a tenth of the grey levels or less is used; --stretch" in said
    assert len(keypoints("t.png")) < 20 < 200 < len(keypoints("same.png"))
    assert run_tool("extract.py", "t.png", "--stretch", "7600,8620", "--output", "w.h5") == 0
    assert "hint" not in capsys.readouterr().out
    np.testing.assert_array_equal(keypoints("t.png", "w.h5"), keypoints("same.png"))
    assert run_tool("extract.py", "t.png", "--stretch", "percentile", "--output", "p.h5") == 0
    assert len(keypoints("t.png", "p.h5")) > 200


def test_another_stretch_is_another_setting_of_a_feature_file_and_none_is_that_of_before(
    run_tool: Run, thermal: Path, capsys: Said
):
    assert run_tool("extract.py", "t.png") == 0
    with h5py.File("features.h5") as file:
        assert "stretch" not in file.attrs["identity"]
    assert run_tool("extract.py", "t.png", "--stretch", "percentile") == 2
    assert "stretch: None -> 'percentile'" in capsys.readouterr().err
    assert run_tool("extract.py", "t.png", "--stretch", "percentile", "--overwrite") == 0
    assert run_tool("extract.py", "t.png", "--stretch", "7600,8620") == 2
    assert "stretch: 'percentile' -> '7600,8620'" in capsys.readouterr().err
    assert run_tool("extract.py", "t.png", "--stretch", "none") == 2


def test_a_picture_that_cannot_reach_the_window_is_left_out(run_tool: Run, thermal: Path, capsys: Said):
    assert run_tool("extract.py", "same.png", "t.png", "--stretch", "7600,8620") == 0
    assert "same.png: its grey levels end at 255, outside the window 7600,8620" in capsys.readouterr().out


def test_show_gives_the_hint_and_takes_the_stretch(run_tool: Run, thermal: Path, capsys: Said):
    assert run_tool("show.py", "t.png", "--output", "x.png") == 0
    assert " hint | " in capsys.readouterr().out and cv2.imread("x.png")[60:-20, :600].mean() < 60
    assert run_tool("show.py", "t.png", "--output", "y.png", "--stretch", "percentile") == 0
    assert " hint | " not in capsys.readouterr().out and cv2.imread("y.png")[60:-20, :600].mean() > 70


def test_match_takes_stretch_masks_and_views(run_tool: Run, thermal: Path, capsys: Said):
    turned = np.ascontiguousarray(np.rot90(cv2.imread("t.png", cv2.IMREAD_UNCHANGED)))
    cv2.imwrite("turned.png", turned)
    assert run_tool("match.py", "t.png", "turned.png", "--homography") == 1
    said = capsys.readouterr()
    assert said.out.count(" hint | ") == 2
    mask = left_half((320, 320))
    Path("masks").mkdir()
    cv2.imwrite("masks/t.png.png", mask)
    how = ["--stretch", "7600,8620", "--masks", "masks", "--views", "rotations", "--save-matches", "m.npz"]
    assert run_tool("match.py", "t.png", "turned.png", "--homography", "--figure", "f.png", *how) == 0
    said = capsys.readouterr()
    assert "turned.png: no mask masks/turned.png.png; it is used as a whole" in said.out
    assert " plan | rotations: 9 extractions, 8 pairs of views to match" in said.out
    with np.load("m.npz") as saved:
        points0, points1 = saved["keypoints0"], saved["keypoints1"]
        right = saved["matches"][saved["inliers"]]
    assert points0[:, 0].max() < 160 and len(right) > 50
    expected = np.stack([points0[right[:, 0], 1], 319 - points0[right[:, 0], 0]], axis=1)  # anticlockwise
    assert np.linalg.norm(points1[right[:, 1]] - expected, axis=1).max() < 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--masks", "absent"], "absent: no such folder"),
        (["--stretch", "9,3"], "argument --stretch: stretch: '9,3'; give none, percentile, or LOW,HIGH"),
        (["--views", "all"], "argument --views: invalid choice: 'all'"),
        (["--disparity", "d.png", "--views", "tilts", "--masks", "m"], "--views, --masks: of keypoints, and"),
    ],
)
def test_what_does_not_go_is_one_line(run_tool: Run, thermal: Path, capsys: Said, arguments: list[str], words: str):
    assert run_tool("match.py", "t.png", "same.png", *arguments) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
