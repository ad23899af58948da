"""Masks beside photographs: COLMAP's names, the file's own pixels, and the frame that training sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from picture_zoo import ORIENTATIONS, encode, scene, turn
from PIL import Image

from superpoint_tf.data.photographs.masked_photographs import PhotographReading, frame_mask
from superpoint_tf.data.photographs.reading import PhotographError, cover_and_crop, decode_mask

MASK = np.zeros((40, 56), bool)
MASK[5:21, 8:44] = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("trip/a.png", "b.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(encode(Image.fromarray(scene())))
    (tmp_path / "masks/trip").mkdir(parents=True)
    write_mask(tmp_path / "masks/trip/a.png.png")
    return tmp_path


def write_mask(path: Path, mask: np.ndarray = MASK) -> None:
    path.write_bytes(encode(Image.fromarray(np.where(mask, 7, 0).astype(np.uint8))))


def reading(folder: Path) -> PhotographReading:
    return PhotographReading(masks=str(folder / "masks"), root=str(folder / "images"))


def test_the_mask_of_a_photograph_has_its_path_and_png_behind(folder: Path):
    photograph = reading(folder).read(str(folder / "images/trip/a.png"))
    np.testing.assert_array_equal(photograph.image, scene())
    np.testing.assert_array_equal(photograph.mask, MASK)
    assert reading(folder).read(str(folder / "images/b.png")).mask is None


def test_one_picture_is_the_mask_of_all(folder: Path):
    one = PhotographReading(masks=str(folder / "masks/trip/a.png.png"), root=str(folder / "images"))
    for name in ("trip/a.png", "b.png"):
        np.testing.assert_array_equal(one.read(str(folder / "images" / name)).mask, MASK)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_mask_lies_beside_the_pixels_that_the_file_stores_and_turns_with_them(folder: Path, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / "images/trip/a.png"
    path.write_bytes(encode(Image.fromarray(scene()).convert("RGB"), "PNG", exif=exif))
    photograph = reading(folder).read(str(path))
    np.testing.assert_array_equal(photograph.image, turn(scene(), orientation))
    np.testing.assert_array_equal(photograph.mask, turn(MASK, orientation))


def test_an_orientation_of_the_masks_own_counts_for_nothing_as_in_colmap():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encode(Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8)).convert("RGB"), "PNG", exif=exif)
    np.testing.assert_array_equal(decode_mask(content, "m.png"), MASK)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_what_is_not_black_may_be_used_in_whatever_form_it_is_saved(mode: str):
    picture = Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(np.where(MASK, 3, 0).astype(np.uint16))
    elif mode.endswith("A"):
        picture = Image.merge("LA", [picture, Image.new("L", picture.size, 0)]).convert(mode)  # all of it transparent
    else:
        picture = picture.convert(mode)
    np.testing.assert_array_equal(decode_mask(encode(picture), "m.png"), MASK)


def test_a_mask_of_another_size_is_an_error_that_names_both(folder: Path):
    write_mask(folder / "masks/trip/a.png.png", MASK[:-1])
    with pytest.raises(PhotographError) as error:
        reading(folder).read(str(folder / "images/trip/a.png"))
    said = str(error.value)
    assert "images/trip/a.png: its mask " in said and "masks/trip/a.png.png has 56x39 pixels, the picture 56x40" in said


def test_a_mask_that_cannot_be_read_is_named_with_its_picture(folder: Path):
    (folder / "masks/trip/a.png.png").write_text("no picture")
    with pytest.raises(PhotographError, match=r"a\.png: its mask .*a\.png\.png: not a picture"):
        reading(folder).read(str(folder / "images/trip/a.png"))


def test_masks_that_are_not_there_are_named_with_what_is_looked_for(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"absent: no such folder; masks lie below it .* a/b\.jpg\.png for"):
        PhotographReading(masks=str(tmp_path / "absent")).check()


@pytest.mark.parametrize("shape", [(20, 28), (24, 24), (40, 56), (77, 90)])
def test_no_pixel_of_the_frame_that_counts_shows_a_masked_one(shape: tuple[int, int]):
    """By the map alone: the square of each frame's pixel, carried back into the file, touches no black pixel."""
    _, to_frame = cover_and_crop(scene(), shape)
    found = frame_mask(MASK, shape)
    back = np.linalg.inv(to_frame)
    expected = np.zeros(shape, bool)
    for y, x in np.ndindex(*shape):
        left, top = (back @ [x - 0.5, y - 0.5, 1])[:2] + 0.5  # from the file's upper left edge
        right, bottom = (back @ [x + 0.5, y + 0.5, 1])[:2] + 0.5
        rows = slice(max(int(np.floor(top + 1e-6)), 0), int(np.ceil(bottom - 1e-6)))
        columns = slice(max(int(np.floor(left + 1e-6)), 0), int(np.ceil(right - 1e-6)))
        expected[y, x] = MASK[rows, columns].all()
    assert not (found & ~expected).any()
    assert (expected & ~found).sum() <= 0.1 * expected.sum()  # enlarged, a pixel more at the edge is lost


def test_a_fingerprint_is_of_names_and_content_wherever_the_masks_lie(folder: Path, tmp_path: Path):
    names = ("b.png", "trip/a.png")
    before = reading(folder).fingerprint(names)
    (folder / "masks").rename(tmp_path / "moved")
    moved = PhotographReading(masks=str(tmp_path / "moved"))
    assert before and moved.fingerprint(names) == before and PhotographReading().fingerprint(names) == ""
    write_mask(tmp_path / "moved/trip/a.png.png", ~MASK)
    changed = moved.fingerprint(names)
    write_mask(tmp_path / "moved/b.png.png", ~MASK)
    assert len({before, changed, moved.fingerprint(names)}) == 3
