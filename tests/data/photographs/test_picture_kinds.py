"""Every kind of picture file is decoded to the grey levels that it shows, or named as unusable."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from picture_zoo import bad_cases, good_cases, scene, write_zoo

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs import reading
from superpoint_tf.data.photographs.photograph_sets import find_photographs, list_photographs
from superpoint_tf.data.photographs.reading import (
    PhotographError,
    decode_photograph,
    read_grey_and_colour,
    read_photograph,
)


@pytest.mark.parametrize("name", good_cases())
def test_a_good_picture_has_the_grey_levels_that_it_shows(name: str, tmp_path: Path):
    case = good_cases()[name]
    assert case.grey is not None
    decoded = decode_photograph(case.content, name)
    assert decoded.shape == case.grey.shape and decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - case.grey).mean() <= case.tolerance
    (tmp_path / "x").write_bytes(case.content)  # and in colour, to draw on: upright, of the same size
    grey, colour = read_grey_and_colour(tmp_path / "x")
    np.testing.assert_array_equal(grey, decoded)
    assert np.abs(colour.mean(axis=2) - case.grey).mean() <= case.tolerance + 1.0


def test_the_scene_differs_from_each_way_of_getting_it_wrong():
    grey = scene().astype(int)
    for other in (grey[:, ::-1], grey[::-1], grey[::-1, ::-1], 255 - grey, grey // 2, np.full_like(grey, 128)):
        assert np.abs(other - grey).mean() > 10


@pytest.mark.parametrize("name", bad_cases())
def test_a_bad_picture_is_named_with_its_reason(name: str):
    case = bad_cases()[name]
    with pytest.raises(PhotographError) as error:
        if not case.content:
            raise PhotographError(name, "empty file")  # the reader's word, tested below
        decode_photograph(case.content, name)
    assert str(error.value).startswith(f"{name}: ") and case.reason in error.value.reason


def test_sixteen_bits_a_channel_are_scaled_to_eight(tmp_path: Path):
    import cv2

    deep = np.zeros((4, 6, 3), np.uint16)
    deep[:, 3:] = 257 * 200
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    np.testing.assert_array_equal(read_photograph(tmp_path / "deep.png"), (deep // 257)[:, :, 0])


def test_a_pipe_or_device_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "endless.jpg"):
        with pytest.raises(PhotographError, match=f"{name}: not a file: a pipe, socket or device"):
            read_photograph(tmp_path / name)


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_MAX_FILE_BYTES", 1000)
    (tmp_path / "huge.tif").write_bytes(bytes(1001))
    with pytest.raises(PhotographError, match=r"huge\.tif: too large to be read safely \(1001 bytes\)"):
        read_photograph(tmp_path / "huge.tif")


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "locked.png").write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(PhotographError, match=r"locked\.png: permission denied"):
        read_photograph(tmp_path / "locked.png")


def test_a_name_that_is_not_utf_8_can_be_printed(tmp_path: Path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    Path(path).write_bytes(b"x")
    with pytest.raises(PhotographError) as error:
        read_photograph(path)
    assert str(error.value).encode().endswith(rb"/\udcff.png: its name is not UTF-8; rename it")


def test_a_folder_with_a_pictures_name_is_entered_and_an_empty_one_is_counted(tmp_path: Path):
    write_zoo(tmp_path)
    found = list_photographs(tmp_path)
    assert {"folder.jpg/inside.png", "empty folder.jpg", "dangling.jpg", "twin.png", "twin.bmp"} < set(found)
    assert "folder.jpg" not in found


def test_a_folder_that_cannot_be_looked_into_is_an_error_and_not_silently_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_zoo(tmp_path / "pictures")
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("folder.jpg"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match=r"folder\.jpg: cannot be looked into \(permission denied\); change its"):
        list_photographs(tmp_path)


def test_what_cannot_be_read_is_never_held_out_for_validation_so_that_it_is_counted_and_named(tmp_path: Path):
    write_zoo(tmp_path)
    (tmp_path / "pipe.png").unlink()
    found = find_photographs(PhotographsSection(), str(tmp_path))
    assert len(found.validation) >= 2
    for name in found.validation:
        read_photograph(tmp_path / name)
    assert set(found.train) | set(found.validation) == set(list_photographs(tmp_path))
