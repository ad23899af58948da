"""Photographs behind URLs are those of a disk: which there are, what is held out, pixels, masks, refusals."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from patch_folders import write_brown, write_strips

from superpoint_tf.config import Config, PhotographsSection
from superpoint_tf.data.patch_sets.read_sets import read_patch_sets
from superpoint_tf.data.photographs.held_out import hold_out
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.photograph_sets import find_photographs, list_photographs, passed_over
from superpoint_tf.data.photographs.reading import PhotographError, read_photograph, read_photograph_bytes
from superpoint_tf.data.stereo.disparity_files import pfm_bytes
from superpoint_tf.data.stereo.stereo_folders import find_pairs
from superpoint_tf.evaluation.sets.hpatches import find_hpatches, hpatches_pairs
from superpoint_tf.evaluation.sets.places import open_places
from superpoint_tf.runtime import storage, stores
from superpoint_tf.runtime.stores import StoreError
from superpoint_tf.synthetic import draw_sample
from superpoint_tf.using.picture_sources import find_sources, list_passed_over

SCHEMES = pytest.mark.parametrize("scheme", ["ram", "file"])


def copy_up(folder: Path, scheme: str) -> str:
    """Return the URL of a folder: itself as a store, or a copy in memory."""
    if scheme == "file":
        return f"file://{folder}"
    url = f"ram://{folder.parent.name}/{folder.name}"
    for path in folder.rglob("*"):
        if path.is_file():
            storage.write_bytes(storage.join(url, path.relative_to(folder).as_posix()), path.read_bytes())
    return url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of photographs, one turned by EXIF, with what is no photograph beside them."""
    root = tmp_path / "photographs"
    for number, name in enumerate([*(f"{letter}.png" for letter in "abcdefgh"), "sub/deep er/i.jpg", "sub/j.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), draw_sample(0, number)[0])
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw_sample(1, 1)[0]).save(root / "turned.jpg", exif=exif)
    (root / "no picture.jpg").write_bytes(b"no picture")
    (root / "clip.mp4").write_bytes(b"")
    (root / "raw.cr2").write_bytes(b"")
    (root / ".hidden.png").write_bytes(b"")
    (root / ".thumbnails").mkdir()
    (root / ".thumbnails/a.png").write_bytes(b"")
    return root


@SCHEMES
def test_a_url_gives_the_photographs_of_the_folder_and_holds_the_same_ones_out(folder: Path, scheme: str):
    url = copy_up(folder, scheme)
    assert list_photographs(url) == list_photographs(folder) == list_photographs(url + "/")
    assert list_photographs(url, ["sub"]) == ["sub/deep er/i.jpg", "sub/j.png"]
    assert [line.replace(url, str(folder)) for line in passed_over(url)] == passed_over(folder)
    for section in (PhotographsSection(), PhotographsSection(validation="sub"), PhotographsSection(train="sub")):
        there, here = (find_photographs(section, str(root)).with_readable_validation() for root in (url, folder))
        assert (there.root, there.train, there.validation, there.note) == (url, here.train, here.validation, here.note)


@SCHEMES
def test_pixels_are_upright_and_the_same(folder: Path, scheme: str):
    url = copy_up(folder, scheme)
    for name in ("a.png", "turned.jpg", "sub/deep er/i.jpg"):
        np.testing.assert_array_equal(read_photograph(f"{url}/{name}"), read_photograph(folder / name))


@SCHEMES
def test_what_cannot_be_read_is_named_with_its_url(folder: Path, scheme: str):
    (folder / "empty.png").write_bytes(b"")
    url = copy_up(folder, scheme)
    reasons = {"none.png": "no such file", "sub": "is a directory", "empty.png": "empty file"}
    reasons["no picture.jpg"] = "not a picture in a known format"
    for name, reason in reasons.items():
        with pytest.raises(PhotographError) as caught:
            read_photograph(f"{url}/{name}")
        assert str(caught.value) == f"{url}/{name}: {reason}"


def test_a_missing_or_empty_folder_says_so(tmp_path: Path):
    storage.write_bytes("ram://empty/folder/a.txt", b"")
    with pytest.raises(FileNotFoundError, match=r"no photographs in ram://empty/none: it does not exist; set photogr"):
        list_photographs("ram://empty/none")
    with pytest.raises(FileNotFoundError, match=r"no photographs in ram://empty/folder/a.txt: it is not a folder"):
        list_photographs("ram://empty/folder/a.txt")
    with pytest.raises(FileNotFoundError, match=r"no photographs in ram://empty/folder \(looked for"):
        list_photographs("ram://empty/folder")
    with pytest.raises(FileNotFoundError, match=r"no sub-folder 'x' in ram://empty; there: folder"):
        list_photographs("ram://empty", ["x"])
    with pytest.raises(StoreError, match=r"nil://b/photographs\S*: TensorFlow .* tensorflow-io"):
        find_photographs(PhotographsSection(root="nil://b/photographs"))


def test_a_store_that_does_not_answer_is_no_damaged_photograph(folder: Path, monkeypatch: pytest.MonkeyPatch):
    url = copy_up(folder, "ram")

    def fail(asked: str) -> bytes:
        raise StoreError(f"{asked}: the store does not answer")

    monkeypatch.setattr(stores, "read_bytes", fail)
    for ask in (lambda: read_photograph_bytes(f"{url}/a.png"), lambda: find_photographs(PhotographsSection(), url)):
        with pytest.raises(StoreError, match="does not answer"):
            ask()


def test_a_store_that_lets_nobody_in_ends_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch):
    import tensorflow as tf

    url = copy_up(folder, "ram")

    def refuse(asked: str, *_: object) -> Any:
        raise tf.errors.PermissionDeniedError(None, None, "token expired")

    monkeypatch.setattr(stores, "gfile", lambda asked: SimpleNamespace(GFile=refuse, stat=tf.io.gfile.stat))
    with pytest.raises(PermissionError, match="token expired; log in to the store"):
        read_photograph_bytes(f"{url}/a.png")
    held_out = partial(hold_out, url, ["a.png", "b.png"], lambda number: 1, lambda path: True)
    with pytest.raises(PermissionError, match="token expired; log in to the store"):
        held_out()


@SCHEMES
def test_masks_behind_a_url_are_those_of_the_folder(folder: Path, tmp_path: Path, scheme: str):
    masks = tmp_path / "masks"
    for name in ("a.png", "sub/j.png"):
        (masks / name).parent.mkdir(parents=True, exist_ok=True)
        mask = np.full(draw_sample(0, 0)[0].shape, 255, np.uint8)
        mask[:20] = 0
        cv2.imwrite(str(masks / f"{name}.png"), mask)
    names = tuple(list_photographs(folder))
    here = PhotographReading(masks=str(masks), root=str(folder))
    there = PhotographReading(masks=copy_up(masks, scheme), root=copy_up(folder, scheme))
    there.check()
    assert there.fingerprint(names) == here.fingerprint(names) != ""
    for name in ("a.png", "b.png", "sub/j.png"):
        read = there.read(storage.join(there.root, name)).mask
        np.testing.assert_array_equal(read, here.read(storage.join(here.root, name)).mask)
        assert (read is None) == (name == "b.png")
    one = PhotographReading(masks=f"{there.masks}/a.png.png", root=there.root)
    assert (one.read(f"{there.root}/b.png").mask == here.read(f"{here.root}/a.png").mask).all()
    with pytest.raises(FileNotFoundError, match=r"none: no such folder; masks lie below it"):
        PhotographReading(masks=f"{scheme}:///none").check()


# ------------------------------------------------------------------------------------------------ named by users


@SCHEMES
def test_sources_are_folders_pictures_and_patterns_of_a_store(folder: Path, scheme: str):
    url = copy_up(folder, scheme)

    def named(*arguments: str) -> dict[str, str]:
        return {source.name: source.path for source in find_sources(arguments)}

    assert named(url) == {name: f"{url}/{name}" for name in list_photographs(folder)}
    assert named(f"{url}/a.png") == {"a.png": f"{url}/a.png"}
    assert list(named(f"{url}/[ab].png", f"{url}/sub/")) == ["a.png", "b.png", "sub/deep er/i.jpg", "sub/j.png"]
    assert list(named(f"{url}/**/*.jpg")) == ["no picture.jpg", "sub/deep er/i.jpg", "turned.jpg"]
    assert any("raw.cr2" in line for line in list_passed_over([url]))
    for argument, words in {"none": "no such file or folder", "*.gif": "no file matches this pattern"}.items():
        with pytest.raises(FileNotFoundError, match=words):
            find_sources([f"{url}/{argument}"])
    with pytest.raises(ValueError, match=r"clip\.mp4: videos are read from a disk alone; copy it to one"):
        find_sources([f"{url}/clip.mp4"])
    with pytest.raises(ValueError, match="no folder in common; name those of one store, or of a disk, alone"):
        find_sources([f"{url}/a.png", str(folder / "a.png")])


# ------------------------------------------------------------------------------------------------ other layouts


@SCHEMES
def test_sets_of_pairs_and_places_are_those_of_the_folder(tmp_path: Path, scheme: str):
    root = tmp_path / "sequences"
    for name in ("v_one", "i_two"):
        (root / name).mkdir(parents=True)
        for number in (1, 2):
            cv2.imwrite(str(root / name / f"{number}.png"), draw_sample(2, number)[0])
        (root / name / "H_1_2").write_text("1 0 2\r\n0 1 0\n0 0 1\n")
    left_out: list[str] = []
    there = [*hpatches_pairs(find_hpatches(copy_up(root, scheme), left_out), (40, 48))]
    here = [*hpatches_pairs(find_hpatches(root, left_out), (40, 48))]
    assert len(here) == 3 and not left_out
    for ours, theirs in zip(here, there, strict=True):
        assert (ours.name, ours.group) == (theirs.name, theirs.group)
        for name in ("image0", "image1", "homography_0to1"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    (tmp_path / "own/places").mkdir(parents=True)
    for name in ("v_one", "i_two"):
        os.rename(root / name, tmp_path / "own/places" / name)
    found = [
        open_places(place, Config(), (40, 48), None)
        for place in (f"{copy_up(tmp_path / 'own', scheme)}/", str(tmp_path / "own"))
    ]
    assert [picture.name for picture in found[0]] == [picture.name for picture in found[1]]
    np.testing.assert_array_equal(found[0][0].read().image, found[1][0].read().image)


@SCHEMES
def test_patches_are_those_of_the_folder(tmp_path: Path, scheme: str):
    write_strips(tmp_path / "strips")
    write_brown(tmp_path / "brown/liberty")
    for name in ("strips", "brown"):
        read = functools.partial(read_patch_sets, side_px=32)
        (train, held_out, note), (train_here, held_out_here, note_here) = (
            read(copy_up(tmp_path / name, scheme)),
            read(tmp_path / name),
        )
        assert note == note_here and train.source_names == train_here.source_names
        np.testing.assert_array_equal(train.patches, train_here.patches)
        np.testing.assert_array_equal(held_out.patches, held_out_here.patches)


@SCHEMES
def test_stereo_pairs_are_those_of_the_folder(tmp_path: Path, scheme: str):
    grey, root = draw_sample(0, 0)[0], tmp_path / "stereo"
    kitti = ("image_2/0_10.png", "image_3/0_10.png", "disp_occ_0/0_10.png", "disp_noc_0/0_10.png")
    for name in ("venus/im2.png", "venus/im6.png", "venus/disp2.png", "new/im0.png", "new/im1.png", *kitti):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), grey)
    (root / "venus/scale.txt").write_text("4")
    (root / "new/disp0.pfm").write_bytes(pfm_bytes(grey.astype(np.float32)))
    (root / "new/calib.txt").write_text("cam0=[1]\nndisp=64\n")
    here, there = find_pairs(root), find_pairs(copy_up(root, scheme))
    assert [pair.name for pair in there] == [pair.name for pair in here] == ["0_10", "new", "venus"]
    for ours, theirs in zip(here, there, strict=True):
        assert theirs.stated_disparities() == ours.stated_disparities()
        for one, other in zip(ours.read(), theirs.read(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_photographs_on_a_disk_are_found_and_read_without_tensorflow(folder: Path):
    code = (
        "import sys\n"
        "from superpoint_tf.data.photographs.masked_photographs import PhotographReading\n"
        "from superpoint_tf.data.photographs.photograph_sets import find_photographs, PhotographsSection\n"
        "from superpoint_tf.using.picture_sources import find_sources\n"
        "found = find_photographs(PhotographsSection(), sys.argv[1]).with_readable_validation()\n"
        "PhotographReading(root=found.root).read(found.root + '/a.png'); find_sources([found.root])\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
