"""Which photographs are found, and which are held out of training."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.orientation import read_orientation
from superpoint_tf.data.photographs.photograph_sets import (
    find_photographs,
    list_photographs,
    num_held_out,
    passed_over,
)
from superpoint_tf.data.photographs.reading import PhotographError, read_photograph


def fill(root: Path, *names: str) -> Path:
    """Make pictures whose content is their own name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"P5 4 4 255\n" + Path(name).name.encode().ljust(16))
    return root


def many(count: int, folder: str = "") -> list[str]:
    return [f"{folder}{i:04d}.jpg" for i in range(count)]


def test_pictures_of_any_depth_and_case_are_listed_in_order(tmp_path: Path):
    fill(tmp_path, "b.JPG", "a/ü b.png", "a/x.webp", "notes.txt", ".hidden.jpg", ".git/x.png", "a/._x.jpg")
    assert list_photographs(tmp_path) == ["a/x.webp", "a/ü b.png", "b.JPG"]


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path):
    fill(tmp_path, "x.jpg/y.jpg")
    assert list_photographs(tmp_path) == ["x.jpg/y.jpg"]


def test_linked_folders_are_entered_once_and_dangling_links_are_listed(tmp_path: Path):
    fill(tmp_path / "disk", "a.jpg")
    fill(tmp_path / "root", "b.jpg")
    (tmp_path / "root/linked").symlink_to(tmp_path / "disk")
    (tmp_path / "root/loop").symlink_to(tmp_path / "root")
    (tmp_path / "root/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert list_photographs(tmp_path / "root") == ["b.jpg", "gone.jpg", "linked/a.jpg"]


def test_a_missing_or_empty_folder_names_the_remedy(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no photographs in .*nowhere: it does not exist; .*--images"):
        list_photographs(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"looked for \*\.jpg"):
        list_photographs(tmp_path)


def test_a_wrong_sub_folder_is_answered_with_those_that_exist(tmp_path: Path):
    fill(tmp_path, "train/a.jpg", "val/b.jpg")
    with pytest.raises(FileNotFoundError, match=r"no sub-folder 'trian' in .*; there: train, val"):
        find_photographs(PhotographsSection(root=str(tmp_path), train="trian"))


@pytest.mark.parametrize("folder", ["", "images/"])
def test_coco_s_layout_is_recognised(tmp_path: Path, folder: str):
    fill(tmp_path, f"{folder}train2017/a.jpg", f"{folder}val2017/b.jpg", f"{folder}test2017/c.jpg")
    found = find_photographs(PhotographsSection(root=str(tmp_path)))
    assert (found.train, found.validation) == ((f"{folder}train2017/a.jpg",), (f"{folder}val2017/b.jpg",))


def test_named_sub_folders_are_taken_and_validation_is_never_trained_on(tmp_path: Path):
    fill(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    found = find_photographs(PhotographsSection(root=str(tmp_path), train="a, b", validation="c/"))
    assert (found.train, found.validation) == (("a/1.jpg", "b/2.jpg"), ("c/3.jpg",))
    found = find_photographs(PhotographsSection(root=str(tmp_path), validation="c"))
    assert (found.train, found.validation) == (("a/1.jpg", "b/2.jpg"), ("c/3.jpg",))
    with pytest.raises(FileNotFoundError, match="none is left to train on"):
        find_photographs(PhotographsSection(root=str(tmp_path), train="a", validation="a"))


def test_what_is_held_out_by_name_and_cannot_be_read_goes_to_those_whose_reader_names_it(tmp_path: Path):
    fill(tmp_path, "train/b.png", "val/a.png", "val/c.png")
    section = PhotographsSection(root=str(tmp_path), train="train", validation="val")
    assert find_photographs(section).with_readable_validation() == find_photographs(section)
    (tmp_path / "val/a.png").write_bytes(b"no picture")
    found = find_photographs(section).with_readable_validation()
    assert (found.train, found.validation) == (("train/b.png", "val/a.png"), ("val/c.png",))


def test_a_lone_validation_folder_is_split(tmp_path: Path):
    fill(tmp_path, *many(40, "val2017/"))
    found = find_photographs(PhotographsSection(root=str(tmp_path)))
    assert len(found.train) == 38 and len(found.validation) == 2


@pytest.mark.parametrize(
    "count, held_out", [(1, 0), (2, 1), (3, 1), (4, 2), (40, 2), (100, 5), (4000, 200), (10**6, 200)]
)
def test_five_per_cent_are_held_out_between_two_and_two_hundred(count: int, held_out: int):
    assert num_held_out(count) == held_out


def test_holding_out_goes_by_content_not_by_name_or_place(tmp_path: Path):
    fill(tmp_path / "one", *many(60))
    before = find_photographs(PhotographsSection(), str(tmp_path / "one"))
    assert not set(before.train) & set(before.validation)
    assert len(before.train) + len(before.validation) == 60 and len(before.validation) == 3
    for i, name in enumerate(reversed(before.train + before.validation)):
        target = tmp_path / "two" / f"{i % 7}" / f"renamed {i}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "one" / name, target)
    after = find_photographs(PhotographsSection(), str(tmp_path / "two"))
    contents = [sorted((Path(s.root) / name).read_bytes() for name in s.validation) for s in (before, after)]
    assert contents[0] == contents[1]


def test_copies_of_one_picture_stay_on_one_side(tmp_path: Path):
    fill(tmp_path, *many(30))
    chosen = find_photographs(PhotographsSection(), str(tmp_path)).validation
    for name in chosen:
        shutil.copy(tmp_path / name, tmp_path / f"copy-{name}")
    found = find_photographs(PhotographsSection(), str(tmp_path))
    sides = [{(tmp_path / name).read_bytes() for name in side} for side in (found.train, found.validation)]
    assert found.validation and not sides[0] & sides[1]


def test_if_all_are_copies_none_is_held_out(tmp_path: Path):
    for name in many(5):
        (tmp_path / name).write_bytes(b"P5 2 2 255\nsame")
    found = find_photographs(PhotographsSection(), str(tmp_path))
    assert len(found.train) == 5 and found.validation == ()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_stays_among_the_training_pictures(tmp_path: Path):
    fill(tmp_path, *many(10))
    (tmp_path / "0003.jpg").chmod(0)
    assert "0003.jpg" in find_photographs(PhotographsSection(), str(tmp_path)).train


def test_without_any_folder_the_pictures_of_scikit_image_are_used_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    found = find_photographs(PhotographsSection())
    assert "data/coco is absent" in found.note and "scikit-image" in found.note and "--images" in found.note
    assert len(found.train) >= 10 and len(found.validation) == 2
    assert all((Path(found.root) / name).is_file() for name in found.train + found.validation)


def test_coco_is_the_default_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, "data/coco/train2017/a.jpg", "data/coco/val2017/b.jpg")
    assert find_photographs(PhotographsSection()).root == "data/coco"


def test_a_named_folder_is_never_replaced_by_the_bundled_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for section, images in ((PhotographsSection(root="thermal"), None), (PhotographsSection(), "thermal")):
        with pytest.raises(FileNotFoundError, match="no photographs in thermal"):
            find_photographs(section, images)


def test_whatever_pillow_decodes_is_found_in_a_folder_as_it_is_by_name(tmp_path: Path):
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).convert("RGB")
    kinds = {"jfif": "JPEG", "jpe": "JPEG", "tga": "TGA", "pcx": "PCX", "sgi": "SGI", "qoi": "QOI", "dds": "DDS"}
    kinds |= {"pbm": "PPM", "dib": "DIB", "im": "IM", "apng": "PNG", "mpo": "MPO", "ico": "ICO"}
    for suffix, kind in kinds.items():
        if kind in Image.SAVE or (Image.init() and kind in Image.SAVE):
            picture.save(tmp_path / f"x.{suffix}", kind)
    found = list_photographs(tmp_path)
    assert found == sorted(path.name for path in tmp_path.iterdir()) and len(found) > 9
    for name in found:
        assert read_photograph(tmp_path / name).ndim == 2
    assert not passed_over(tmp_path)


def test_pictures_that_no_folder_gives_are_counted_and_named_with_the_remedy(tmp_path: Path):
    fill(tmp_path, "a.jpg", "day/b.CR2", "day/c.cr2", "d.svg", "e.mp4", "notes.txt", "features.h5", ".hidden.cr2")
    assert list_photographs(tmp_path) == ["a.jpg"]
    assert passed_over(tmp_path) == [
        f"2 .cr2 ({tmp_path}/day/b.CR2 ...): camera raw: develop it into JPEG or TIFF",
        f"1 .mp4 ({tmp_path}/e.mp4): name a video itself",
        f"1 .svg ({tmp_path}/d.svg): save it as PNG or TIFF of 8 or 16 bits",
    ]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"no photographs in .*; there: 2 \.cr2 .*camera raw"):
        list_photographs(tmp_path)


def test_heic_is_found_and_left_out_with_the_remedy_where_nothing_reads_it(tmp_path: Path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40))
    assert list_photographs(tmp_path) == ["IMG_1.HEIC"]
    words = (
        r"pip install -e '\.\[heic\]'" if importlib.util.find_spec("pillow_heif") is None else "damaged|not a picture"
    )
    with pytest.raises(PhotographError, match=words):
        read_photograph(tmp_path / "IMG_1.HEIC")


def test_a_turned_heic_is_read_upright(tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    stored = np.full((40, 64, 3), 30, np.uint8)
    stored[:10, :16] = 220
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(Image.fromarray(stored)).save(tmp_path / "x.heic", exif=exif.tobytes(), quality=-1)
    shown = read_photograph(tmp_path / "x.heic")
    assert shown.shape == (64, 40) and shown[4, 36] > 180 and shown[60, 4] < 60
    assert read_orientation((tmp_path / "x.heic").read_bytes()) == 1  # whatever reads HEIC turns it
