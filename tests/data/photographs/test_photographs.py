"""Every file is decoded rightly or named as unusable, and the frame's map follows the half-pixel rule."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from superpoint_tf.data.photographs.reading import (
    PhotographError,
    cover_and_crop,
    decode_photograph,
    read_grey_and_colour,
    read_photograph,
)
from superpoint_tf.geometry.numpy_reference import warp_image_numpy, warp_points_numpy


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def scene() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    return Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC)


def test_a_grey_png_comes_back_unchanged(tmp_path: Path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "ä picture.png").write_bytes(encode(Image.fromarray(grey)))
    np.testing.assert_array_equal(read_photograph(tmp_path / "ä picture.png"), grey)


def test_colour_becomes_luma():
    red = Image.new("RGB", (4, 3), (255, 0, 0))
    np.testing.assert_array_equal(decode_photograph(encode(red), "red.png"), np.full((3, 4), 76))


def test_a_colour_jpeg_decoded_as_luma_is_within_two_levels_of_the_full_conversion():
    colour = Image.merge("RGB", [scene(), scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT), scene()])
    content = encode(colour, "JPEG", quality=95)
    full = np.asarray(Image.open(io.BytesIO(content)).convert("RGB").convert("L"), int)
    assert np.abs(decode_photograph(content, "x.jpg") - full).mean() < 1.0


@pytest.mark.parametrize("orientation, turns", [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(orientation: int, turns: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(scene(), "JPEG", quality=95, exif=exif)
    upright = decode_photograph(encode(scene(), "JPEG", quality=95), "x.jpg")
    np.testing.assert_array_equal(decode_photograph(content, "x.jpg"), np.rot90(upright, turns))


def test_sixteen_bits_are_scaled_to_eight():
    deep = Image.fromarray(np.array([[0, 257, 65535], [128, 129, 32896]], np.uint16))
    np.testing.assert_array_equal(decode_photograph(encode(deep), "x.png"), [[0, 1, 255], [0, 1, 128]])


def test_transparency_lies_over_grey_and_hidden_colours_do_not_show():
    picture = Image.new("RGBA", (2, 2), (255, 255, 255, 0))
    picture.putpixel((0, 0), (255, 255, 255, 255))
    np.testing.assert_array_equal(decode_photograph(encode(picture), "x.png"), [[255, 128], [128, 128]])


@pytest.mark.parametrize("mode", ["P", "1", "LA", "CMYK", "YCbCr"])
def test_other_modes_are_close_to_the_grey_picture(mode: str):
    kind = {"P": "PNG", "1": "PNG", "LA": "PNG", "CMYK": "TIFF", "YCbCr": "TIFF"}[mode]
    black_white = Image.fromarray(np.kron([[0, 255], [255, 0]], np.ones((8, 8))).astype(np.uint8))
    decoded = decode_photograph(encode(black_white.convert("RGB").convert(mode), kind), "x")
    assert np.abs(decoded.astype(int) - np.asarray(black_white, int)).max() <= 2


def test_a_cmyk_jpeg_is_not_inverted():
    content = encode(Image.new("RGB", (16, 16), (250, 250, 250)).convert("CMYK"), "JPEG")
    assert decode_photograph(content, "x.jpg").mean() > 240


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("L", (8, 8), 200), Image.new("L", (8, 8), 10)]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_photograph(content, "x.gif"), np.full((8, 8), 200))


def test_a_truncated_jpeg_is_an_error_not_a_half_grey_picture():
    content = encode(scene(), "JPEG", quality=95)
    with pytest.raises(PhotographError, match=r"a/b\.jpg: damaged or not supported .*truncated"):
        decode_photograph(content[: len(content) // 2], "a/b.jpg")


@pytest.mark.parametrize("cut", [30, 60, 200])
def test_a_truncated_png_is_an_error(cut: int):
    with pytest.raises(PhotographError):
        decode_photograph(encode(scene())[:cut], "x.png")


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_a_picture_below_two_pixels_a_side_is_too_small(shape: tuple[int, int]):
    with pytest.raises(PhotographError, match="too small"):
        decode_photograph(encode(Image.new("L", shape)), "x.png")


def test_what_is_no_picture_is_said_plainly(tmp_path: Path):
    (tmp_path / "text.png").write_text("this is not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    expected = {
        "text.png": "not a picture in a known format",
        "empty.jpg": "empty file",
        "folder.jpg": "is a directory",
        "link.jpg": "link to a file that is not there",
        "gone.jpg": "no such file",
    }
    for name, reason in expected.items():
        with pytest.raises(PhotographError) as error:
            read_photograph(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: {reason}"


def test_32_bit_and_float_pixels_name_the_remedy():
    for values in (np.full((4, 4), 70000, np.int32), np.full((4, 4), 0.5, np.float32)):
        with pytest.raises(PhotographError, match="save it with 8 or 16 bits"):
            decode_photograph(encode(Image.fromarray(values), "TIFF"), "x.tif")


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(PhotographError, match=r"too large to be decoded safely \(above .* million pixels\); cut it"):
        decode_photograph(encode(scene()), "x.png")


def test_the_error_survives_the_way_back_from_a_worker():
    error = pickle.loads(pickle.dumps(PhotographError("a.jpg", "empty file")))
    assert (error.path, error.reason, str(error)) == ("a.jpg", "empty file", "a.jpg: empty file")


# ------------------------------------------------------------------------------------------------ the frame


def test_a_picture_of_the_right_shape_is_left_alone():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    cropped, to_frame = cover_and_crop(image, (3, 4))
    np.testing.assert_array_equal(cropped, image)
    np.testing.assert_array_equal(to_frame, np.eye(3))


def test_a_wide_picture_is_cut_at_both_sides():
    image = np.tile(np.arange(8, dtype=np.uint8), (2, 1))
    cropped, to_frame = cover_and_crop(image, (2, 4))
    np.testing.assert_array_equal(cropped[0], [2, 3, 4, 5])
    np.testing.assert_array_equal(warp_points_numpy([[2, 0]], to_frame), [[0, 0]])


def test_halving_moves_keypoints_by_the_half_pixel_rule():
    image = np.kron([[10, 20], [30, 40]], np.ones((2, 2))).astype(np.uint8)
    cropped, to_frame = cover_and_crop(image, (2, 2))
    np.testing.assert_array_equal(cropped, [[10, 20], [30, 40]])
    np.testing.assert_allclose(warp_points_numpy([[0.5, 0.5], [2.5, 0.5]], to_frame), [[0, 0], [1, 0]])


@pytest.mark.parametrize("original", [(97, 131), (300, 200), (61, 400), (37, 2000)])
def test_the_map_says_where_pixels_went(original: tuple[int, int]):
    ys, xs = np.mgrid[: original[0], : original[1]]
    image = np.rint(127 + 100 * np.sin(xs * 0.05 + 1) * np.cos(ys * 0.05)).astype(np.uint8)
    cropped, to_frame = cover_and_crop(image, (48, 64))
    assert cropped.shape == (48, 64)
    expected = warp_image_numpy(image, to_frame, (48, 64))
    assert np.abs(cropped - expected)[2:-2, 2:-2].max() < 2.5


def test_an_extreme_panorama_is_cut_before_it_is_enlarged():
    image = np.tile(np.arange(20000) % 251, (2, 1)).astype(np.uint8)
    cropped, to_frame = cover_and_crop(image, (240, 320))
    assert cropped.shape == (240, 320)
    centre = warp_points_numpy([[9999.5, 0.5]], to_frame)
    np.testing.assert_allclose(centre, [[159.5, 119.5]], atol=0.51)


def test_a_picture_comes_in_bgr_of_the_size_of_the_grey_one(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    red_left = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 0], [0, 0, 255]]] * 2, np.uint8))
    red_left.save(tmp_path / "x.png", exif=exif)
    grey, colour = read_grey_and_colour(tmp_path / "x.png")
    np.testing.assert_array_equal(grey, read_photograph(tmp_path / "x.png"))
    assert colour.shape == (*grey.shape, 3) == (3, 2, 3)
    assert colour[0, 0].tolist() == [0, 0, 255] and colour[2, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["L", "I;16", "LA", "1"])
def test_other_modes_come_as_three_equal_channels_of_the_grey_picture(tmp_path: Path, mode: str):
    picture = Image.fromarray(np.full((4, 6), 257 * 90, np.uint16)) if mode == "I;16" else scene().convert(mode)
    picture.save(tmp_path / "x.png")
    grey, colour = read_grey_and_colour(tmp_path / "x.png")
    np.testing.assert_array_equal(grey, read_photograph(tmp_path / "x.png"))
    np.testing.assert_array_equal(colour, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("options", [{}, {"keep_rgb": True}, {"progressive": True, "subsampling": 0}])
def test_the_grey_of_a_colour_jpeg_is_its_luma_whether_its_colours_are_wanted_or_not(
    tmp_path: Path, options: dict[str, Any]
):
    picture = Image.merge("RGB", [scene(), scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT), scene()])
    (tmp_path / "x.jpg").write_bytes(encode(picture, "JPEG", quality=95, **options))
    grey, colour = read_grey_and_colour(tmp_path / "x.jpg")
    np.testing.assert_array_equal(grey, read_photograph(tmp_path / "x.jpg"))
    full = np.asarray(Image.open(tmp_path / "x.jpg").convert("RGB"), int)[..., ::-1]
    assert np.abs(colour - full).max() <= 1


def test_a_file_that_cannot_be_used_is_named_when_its_colours_are_wanted(tmp_path: Path):
    (tmp_path / "x.jpg").write_bytes(encode(scene(), "JPEG")[:500])
    with pytest.raises(PhotographError, match=r"x\.jpg: damaged"):
        read_grey_and_colour(tmp_path / "x.jpg")
