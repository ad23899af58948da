"""Extraction as a user meets it: the file that hloc reads, skipping, bad pictures, videos, refusals."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from picture_zoo import ORIENTATIONS, turn
from PIL import Image
from turned_video import write_turned_video

from superpoint_tf.features import Features
from superpoint_tf.runtime import memory
from superpoint_tf.using.extractor import Extractor

Run = Callable[..., int]


def picture(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trip/day 1").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "trip/b.png"), picture(0))
    cv2.imwrite(str(tmp_path / "trip/day 1/a.png"), picture(1, (40, 56)))
    return tmp_path / "trip"


@pytest.fixture
def extract(run_tool: Run, tiny_weights: str) -> Run:
    return lambda *arguments: run_tool(
        "extract.py", *arguments, "--weights", tiny_weights, "--threshold", "0.001", "--max-keypoints", "20"
    )


def test_the_file_has_the_layout_that_hloc_reads_with_names_below_the_folder(extract: Run, folder: Path):
    assert extract(str(folder)) == 0
    with h5py.File("features.h5") as file:
        assert sorted(file) == ["b.png", "day 1"]
        group = file["day 1/a.png"]
        assert group["keypoints"].shape == (20, 2) and group["keypoints"].dtype == np.float32
        assert group["descriptors"].shape == (8, 20) and group["scores"].shape == (20,)
        assert group["image_size"][()].tolist() == [56, 40]
    assert not Path("features.h5.parts").exists()


@pytest.mark.parametrize(("option", "value"), [("--scales", "1,1.5"), ("--phases", "4")])
def test_other_scales_or_phases_give_other_keypoints_and_want_another_file(
    extract: Run, folder: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
):
    assert extract(str(folder)) == 0
    assert extract(str(folder), option, value, "--output", "both.h5") == 0
    with h5py.File("features.h5") as one, h5py.File("both.h5") as both:
        assert both["b.png/keypoints"].shape == (20, 2)
        assert not np.array_equal(one["b.png/keypoints"], both["b.png/keypoints"])
    assert extract(str(folder), option, value) == 2
    assert option.strip("-") in capsys.readouterr().err


def test_what_is_there_is_skipped_and_a_changed_picture_is_extracted_again(
    extract: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert extract(str(folder)) == 0 and "2 extracted" in capsys.readouterr().out
    assert extract(str(folder)) == 0 and "0 extracted" in capsys.readouterr().out
    with h5py.File("features.h5") as file:
        before = file["b.png/scores"][()]
    cv2.imwrite(str(folder / "b.png"), picture(7))
    assert extract(str(folder)) == 0 and "1 extracted" in capsys.readouterr().out
    with h5py.File("features.h5") as file:
        assert sorted(file) == ["b.png", "day 1"] and not np.array_equal(file["b.png/scores"][()], before)


def test_another_setting_is_refused_with_the_difference_and_overwrite_replaces(
    extract: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert extract(str(folder)) == 0
    assert extract(str(folder), "--nms-radius", "2") == 2
    assert "nms_radius_px: 4 -> 2" in capsys.readouterr().err
    assert extract(str(folder), "--nms-radius", "2", "--overwrite") == 0
    assert "2 extracted" in capsys.readouterr().out
    assert extract(str(folder), "--nms-radius", "2", "--overwrite") == 0
    assert "0 extracted" in capsys.readouterr().out  # the same command goes on with what it wrote


def test_bad_pictures_are_named_and_the_others_go_on(extract: Run, folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.png").touch()
    cv2.imwrite(str(folder / "line.png"), np.zeros((1, 90), np.uint8))
    (folder / "cut.png").write_bytes((folder / "b.png").read_bytes()[:200])
    assert extract(str(folder)) == 0
    said = capsys.readouterr().out
    assert "2 extracted" in said and "4 left out" in said
    for name, reason in (("text.jpg", "not a picture"), ("empty.png", "empty file"), ("line.png", "too small (90x1")):
        assert any(name in line and reason in line for line in said.splitlines() if line.startswith(" left |"))
    assert "cut.png: damaged" in said
    assert extract(str(folder), "--strict") == 1
    assert "cut.png: damaged" in capsys.readouterr().err


def test_a_name_that_is_not_utf_8_is_left_out_and_others_than_ascii_are_kept(
    extract: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    os.rename(folder / "b.png", os.fsencode(folder) + b"/\xff.png")
    os.rename(folder / "day 1/a.png", folder / "ä 日.png")
    assert extract(str(folder)) == 0
    assert "\\udcff.png: its name is not UTF-8; rename it" in capsys.readouterr().out
    with h5py.File("features.h5") as file:
        assert list(file) == ["ä 日.png"]


def test_a_strict_run_keeps_what_it_found_before_the_bad_picture(extract: Run, folder: Path):
    (folder / "z.jpg").write_text("no picture")
    assert extract(str(folder), "--strict") == 1
    with h5py.File("features.h5") as file:
        assert sorted(file) == ["b.png", "day 1"]


def test_no_usable_picture_at_all_is_an_error(extract: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "text.jpg").write_text("no picture")
    assert extract("text.jpg") == 2
    assert "text.jpg: not a picture" in capsys.readouterr().err


def test_a_picture_without_texture_gives_empty_arrays_of_the_right_shapes(run_tool: Run, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((48, 64), 90, np.uint8))
    assert run_tool("extract.py", "flat.png", "--output", "f.h5") == 0  # the shipped weights
    with h5py.File("f.h5") as file:
        shapes = {key: (value.shape, value.dtype) for key, value in file["flat.png"].items()}
    assert shapes["keypoints"] == ((0, 2), np.float32) and shapes["scores"] == ((0,), np.float32)
    assert shapes["descriptors"] == ((256, 0), np.float32)


def test_with_resize_keypoints_are_in_pixels_of_the_original_by_the_half_pixel_rule(extract: Run, tmp_path: Path):
    large = picture(3, (96, 128))
    cv2.imwrite(str(tmp_path / "large.png"), large)
    cv2.imwrite(str(tmp_path / "small.png"), cv2.resize(large, (64, 48), interpolation=cv2.INTER_AREA))
    assert extract("large.png", "small.png", "--resize", "64") == 0
    with h5py.File("features.h5") as file:
        assert file["large.png/image_size"][()].tolist() == [128, 96]
        np.testing.assert_allclose(file["large.png/keypoints"][()], 2 * file["small.png/keypoints"][()] + 0.5)


def test_a_picture_too_large_for_the_memory_is_left_out_with_the_remedy(
    extract: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    cv2.imwrite(str(folder / "huge.png"), picture(4, (800, 1000)))
    monkeypatch.setattr(memory, "free_bytes", lambda: 20_000_000)
    assert extract(str(folder)) == 0
    said = capsys.readouterr().out
    assert "huge.png: 1000x800 pixels are too large for the memory" in said and "--resize 352 or less" in said
    assert "2 extracted" in said
    assert extract(str(folder), "--resize", "128", "--output", "r.h5") == 0
    assert "3 extracted" in capsys.readouterr().out


def test_frames_of_a_video_are_named_by_number_and_skipped_when_they_are_there(
    extract: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for number in range(5):
        writer.write(np.repeat(picture(number)[:, :, None], 3, axis=2))
    writer.release()
    assert extract("v.mp4", "--every", "2") == 0
    with h5py.File("features.h5") as file:
        assert sorted(file["v.mp4"]) == ["000000.jpg", "000002.jpg", "000004.jpg"]
    capsys.readouterr()
    assert extract("v.mp4") == 0
    assert "2 extracted" in capsys.readouterr().out


def test_a_colmap_database_is_written_on_request_and_again_is_no_error(
    extract: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "day 1").rename(folder / "day_1")
    for _ in range(2):
        assert extract(str(folder), "--colmap", "db/database.db") == 0
        assert "2 pictures, 1 pairs" in capsys.readouterr().out
    assert Path("db/database_pairs.txt").read_text() == "b.png day_1/a.png\n"
    assert sorted(path.name for path in Path("db").iterdir()) == ["database.db", "database_pairs.txt"]


def test_names_with_spaces_go_into_a_database_and_the_next_command_does_without_the_list_of_pairs(
    extract: Run, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert extract(str(folder), "--colmap", "x.db") == 0
    said = capsys.readouterr().out
    assert "no list of pairs: COLMAP's cannot hold 'day 1/a.png'" in said
    assert "pycolmap.geometric_verification('x.db')" in said and not Path("x_pairs.txt").exists()


def test_two_folders_with_one_name_are_refused_one_after_the_other_and_told_apart_together(
    extract: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for number, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), picture(number))
        cv2.imwrite(str(tmp_path / name / f"{name}.png"), picture(9))
    assert extract("one") == 0
    capsys.readouterr()
    assert extract("two") == 2
    said = capsys.readouterr().err
    assert f"has a.png from {tmp_path}/one/a.png, which is not {tmp_path}/two/a.png; name both folders in" in said
    with h5py.File("features.h5") as file:
        assert sorted(file) == ["a.png", "one.png"]  # nothing of the second folder
    assert extract("one", "two", "--output", "both.h5") == 0
    with h5py.File("both.h5") as file:
        assert sorted(file["one"]) == ["a.png", "one.png"] and sorted(file["two"]) == ["a.png", "two.png"]
    (tmp_path / "one").rename(tmp_path / "moved")
    assert extract("moved") == 0  # the same pictures elsewhere
    assert "0 extracted" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such file or folder"),
        (["*.xyz"], "no file matches this pattern"),
        (["trip", "--weights", "none"], "none: no weights there"),
        (["trip", "--resize", "3"], "expected 16 pixels or more"),
        (["trip", "--threshold", "nan"], "threshold: nan is below the minimum 0"),
        (["trip", "--scales", "1;2"], "'1;2': expected numbers with commas between, such as 1,1.5"),
        (["trip", "--scales", "1,99"], "scales: 99; give factors of the picture's size"),
        (["trip", "--phases", "3"], "invalid choice: 3 (choose from 1, 2, 4, 16)"),
        (["trip", "--colmap-overlap", "3"], "need --colmap DATABASE"),
        (
            ["trip/b.png", "--weights", "magicpoint-small", "--colmap", "x.db"],
            "a detector alone gives nothing to match",
        ),
    ],
)
def test_wrong_arguments_end_with_code_2_and_create_nothing(
    run_tool: Run, folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
):
    assert run_tool("extract.py", *arguments) == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in folder.parent.iterdir()] == ["trip"]


def test_sigterm_ends_after_the_picture_at_hand_with_one_file_and_the_same_command_goes_on(
    extract: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    real = Extractor.__call__

    def interrupted(self: Extractor, *image_and_mask: np.ndarray) -> Features:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *image_and_mask)

    with monkeypatch.context() as patched:
        patched.setattr(Extractor, "__call__", interrupted)
        assert extract(str(folder)) == 143
    assert "start the same command again to go on" in capsys.readouterr().err
    with h5py.File("features.h5") as file:
        assert list(file) == ["b.png"]
    assert extract(str(folder)) == 0
    assert "1 extracted" in capsys.readouterr().out


def test_sigterm_with_the_last_picture_stops_nothing(
    extract: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    real, seen = Extractor.__call__, []

    def interrupted(self: Extractor, *image_and_mask: np.ndarray) -> Features:
        seen.append(1)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *image_and_mask)

    monkeypatch.setattr(Extractor, "__call__", interrupted)
    assert extract(str(folder)) == 0
    said = capsys.readouterr()
    assert "2 extracted" in said.out and "start the same command again" not in said.err


def save_turned(path: Path, shown: np.ndarray, orientation: int) -> None:
    """Write the file of a picture that is seen as `shown`, without loss."""
    back = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turn(shown, back))).save(path, exif=exif)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_keypoints_of_a_turned_picture_are_in_the_pixels_that_other_programs_read(
    extract: Run, tmp_path: Path, orientation: int
):
    (tmp_path / "trip").mkdir()
    shown = picture(3)
    cv2.imwrite(str(tmp_path / "trip/shown.png"), shown)
    save_turned(tmp_path / "trip/turned.png", shown, orientation)
    assert extract("trip") == 0
    stored = cv2.imread("trip/turned.png", cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    with h5py.File("features.h5") as file:
        seen, written = file["shown.png"], file["turned.png"]
        assert written["image_size"][()].tolist() == [stored.shape[1], stored.shape[0]]
        np.testing.assert_array_equal(written["descriptors"][()], seen["descriptors"][()])  # found as it is shown
        at_seen, at_written = (group["keypoints"][()].astype(int) for group in (seen, written))
    np.testing.assert_array_equal(stored[at_written[:, 1], at_written[:, 0]], shown[at_seen[:, 1], at_seen[:, 0]])


def test_pictures_of_one_phone_held_both_ways_share_a_camera_of_the_files_size(extract: Run, tmp_path: Path):
    (tmp_path / "trip").mkdir()
    cv2.imwrite(str(tmp_path / "trip/across.png"), picture(0))
    for name, orientation in (("up", 6), ("down", 8), ("over", 3)):
        shown = picture(orientation, (48, 64) if orientation == 3 else (64, 48))
        save_turned(tmp_path / f"trip/{name}.png", shown, orientation)
    assert extract("trip", "--colmap", "d.db", "--colmap-single-camera") == 0
    with contextlib.closing(sqlite3.connect("d.db")) as connection:
        assert connection.execute("SELECT width, height FROM cameras").fetchall() == [(64, 48)]
        assert connection.execute("SELECT DISTINCT camera_id FROM images").fetchall() == [(1,)]
        blobs = connection.execute("SELECT rows, cols, data FROM keypoints").fetchall()
    points = np.vstack([np.frombuffer(data, np.float32).reshape(rows, columns) for rows, columns, data in blobs])
    assert (points > 0).all() and (points < (64, 48)).all() and points[:, 0].max() > 50


def test_features_that_an_earlier_version_left_in_the_pixels_shown_are_made_anew(extract: Run, tmp_path: Path):
    (tmp_path / "trip").mkdir()
    save_turned(tmp_path / "trip/turned.png", picture(3), 6)
    assert extract("trip") == 0
    with h5py.File("features.h5", "a") as file:  # as it was: the file's hash, and what is shown
        group = file["turned.png"]
        group.attrs["image_sha256"] = hashlib.sha256(Path("trip/turned.png").read_bytes()).hexdigest()
        group["image_size"][...] = [64, 48]
    for _ in range(2):
        assert extract("trip") == 0
        with h5py.File("features.h5") as file:
            assert file["turned.png/image_size"][()].tolist() == [48, 64]


def test_a_video_filmed_upright_is_seen_upright_and_its_frames_are_left_as_files(
    extract: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    frames = [np.repeat(cv2.resize(picture(number, (12, 16)), (64, 48))[:, :, None], 3, axis=2) for number in range(3)]
    write_turned_video(tmp_path / "v.mp4", frames, 90)
    assert extract("v.mp4") == 0
    with h5py.File("features.h5") as file:
        assert file["v.mp4/000001.jpg/image_size"][()].tolist() == [48, 64]
    for _ in range(2):  # the features are there; the files are written once
        assert extract("v.mp4", "--write-frames", "frames") == 0
        assert "0 extracted" in capsys.readouterr().out.splitlines()[-1]
        assert sorted(path.name for path in Path("frames/v.mp4").iterdir()) == [f"00000{n}.jpg" for n in range(3)]
    upright = cv2.imread("frames/v.mp4/000001.jpg")
    assert np.abs(upright.astype(int) - cv2.rotate(frames[1], cv2.ROTATE_90_CLOCKWISE)).mean() < 8
    capsys.readouterr()
    assert extract("v.mp4", "--write-frames", ".") == 2
    assert "frames go into a folder v.mp4, which is a file there" in capsys.readouterr().err
