"""Pictures of every kind that people's folders hold, good and bad, each with what a reader must make of it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

ORIENTATIONS = range(2, 9)  # of EXIF, but for 1, which is upright


class Case(NamedTuple):
    """A file: its content, and either the grey levels that a reader must return or why it is left out."""

    content: bytes
    grey: np.ndarray | None  # uint8 (H, W), within `tolerance` levels on average; None: left out
    reason: str = ""  # words of the reason
    tolerance: float = 0.0


def scene() -> np.ndarray:
    """Return grey uint8 (40, 56) without any symmetry: a ramp, a bright block and a dark bar."""
    ys, xs = np.mgrid[:40, :56]
    grey = (40 + 2 * xs + ys).astype(np.uint8)
    grey[4:14, 6:20], grey[30:34, 10:50] = 235, 12
    return grey


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turn(grey: np.ndarray, orientation: int) -> np.ndarray:
    """Return what a viewer shows of stored pixels with an EXIF orientation."""
    shown = {
        2: grey[:, ::-1],
        3: grey[::-1, ::-1],
        4: grey[::-1],
        5: grey.T,
        6: np.rot90(grey, -1),
        7: grey[::-1, ::-1].T,
        8: np.rot90(grey),
    }
    return shown[orientation]


def over_grey(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return grey levels with opacity 0..255 over mid grey."""
    return np.rint((grey * alpha.astype(float) + 128.0 * (255 - alpha)) / 255).astype(np.uint8)


def good_cases() -> dict[str, Case]:
    """Return files that must be used, by their names."""
    grey = scene()
    picture = Image.fromarray(grey)
    alpha = np.where(np.arange(56) < 28, 255, 0).astype(np.uint8)[None].repeat(40, 0)
    half = np.full_like(alpha, 100)
    inverse, colour = Image.fromarray(255 - grey), picture.convert("RGB")
    transparent = Image.merge("LA", [picture, Image.fromarray(alpha)])
    panorama = np.tile(grey, (1, 358))[:20, :20000]
    cases = {
        "grey.png": Case(encode(picture), grey),
        "16 bits.png": Case(encode(Image.fromarray(grey.astype(np.uint16) * 257)), grey),
        "16 bits.tif": Case(encode(Image.fromarray(grey.astype(np.uint16) * 257), "TIFF"), grey),
        "one bit.png": Case(encode(Image.fromarray(grey > 100)), (grey > 100).astype(np.uint8) * 255),
        "cmyk.jpg": Case(encode(picture.convert("RGB").convert("CMYK"), "JPEG", quality=95), grey, "", 2.0),
        "cmyk.tif": Case(encode(picture.convert("RGB").convert("CMYK"), "TIFF"), grey, "", 0.5),
        "rgba.png": Case(encode(transparent.convert("RGBA")), over_grey(grey, alpha), "", 0.5),
        "half transparent.png": Case(
            encode(Image.merge("LA", [picture, Image.fromarray(half)])), over_grey(grey, half), "", 1.0
        ),
        "palette.png": Case(encode(picture.convert("P")), grey, "", 0.5),
        "palette with a hole.png": Case(
            encode(picture.quantize(64), transparency=0), _quantized_with_hole(picture), "", 0.5
        ),
        "animated.gif": Case(encode(picture, "GIF", save_all=True, append_images=[inverse, inverse]), grey),
        "animated.webp": Case(
            encode(
                picture.convert("RGB"), "WEBP", save_all=True, append_images=[inverse.convert("RGB")], lossless=True
            ),
            grey,
            "",
            0.5,
        ),
        "pages.tif": Case(encode(picture, "TIFF", save_all=True, append_images=[inverse]), grey),
        "colour.jpg": Case(encode(picture.convert("RGB"), "JPEG", quality=95), grey, "", 1.5),
        "panorama.png": Case(encode(Image.fromarray(panorama)), panorama),
        "ä 日本 #1 'x'.png": Case(encode(picture), grey),
        "twin.png": Case(encode(picture), grey),
        "twin.bmp": Case(encode(inverse, "BMP"), 255 - grey),
        "upper case.PNG": Case(encode(picture), grey),
    }
    for orientation in ORIENTATIONS:
        exif = Image.Exif()
        exif[0x0112] = orientation
        shown = turn(grey, orientation)
        cases[f"turned {orientation}.jpg"] = Case(encode(picture, "JPEG", quality=95, exif=exif), shown, "", 1.5)
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, suffix, options in _LOSSLESS:
        cases[f"turned 6.{suffix}"] = Case(encode(colour, kind, exif=exif, **options), turn(grey, 6), "", 0.5)
    return cases


_LOSSLESS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("PNG", "png", {}),
    ("TIFF", "tif", {}),
    ("TIFF", "lzw.tif", {"compression": "tiff_lzw"}),
    ("WEBP", "webp", {"lossless": True}),
)


def _quantized_with_hole(picture: Image.Image) -> np.ndarray:
    indices = picture.quantize(64)
    grey = np.asarray(indices.convert("L"))
    return np.where(np.asarray(indices) == 0, 128, grey).astype(np.uint8)


def bad_cases() -> dict[str, Case]:
    """Return files that must be left out, by their names."""
    picture, floats = Image.fromarray(scene()), Image.fromarray(np.full((9, 9), np.nan, np.float32))
    jpeg, png = encode(picture, "JPEG", quality=95), encode(picture)
    return {
        "cut.jpg": Case(jpeg[: len(jpeg) // 2], None, "truncated"),
        "cut.png": Case(png[: len(png) // 2], None, "damaged or not supported"),
        "flipped.png": Case(_flipped(png, len(png) // 2), None, "damaged or not supported"),
        "empty.jpg": Case(b"", None, "empty file"),
        "text.png": Case(b"this is not a picture\n", None, "not a picture in a known format"),
        "one pixel.png": Case(encode(Image.new("L", (1, 1))), None, "too small (1x1 pixels)"),
        "one line.png": Case(encode(Image.new("L", (90, 1))), None, "too small (90x1 pixels)"),
        "32 bits.tif": Case(encode(Image.fromarray(np.full((9, 9), 70000, np.int32)), "TIFF"), None, "32-bit pixels"),
        "floats.tif": Case(encode(floats, "TIFF"), None, "floating-point"),
    }


def _flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 16
    return bytes(changed)


LEFT_OUT_PLACES = {  # what `write_zoo` adds to the files, and why it is left out
    "dangling.jpg": "link to a file that is not there",
    "empty folder.jpg": "is a directory",
    "pipe.png": "not a file: a pipe",
    "locked.png": "permission denied",
    "\\udcff.png": "its name is not UTF-8",
}


def write_zoo(folder: Path) -> None:
    """Write every case into a folder; `locked.png` may be read by root, which a test must forbid itself."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, case in {**good_cases(), **bad_cases()}.items():
        (folder / name).write_bytes(case.content)
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg/inside.png").write_bytes(encode(Image.fromarray(scene())))
    (folder / "dangling.jpg").symlink_to(folder / "gone.jpg")
    (folder / "link.jpg").symlink_to(folder / "grey.png")
    (folder / "empty folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "locked.png").write_bytes(encode(Image.fromarray(scene())))
    (folder / "locked.png").chmod(0)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(encode(Image.fromarray(scene())))


def names_used() -> Iterator[str]:
    """Yield the names of the pictures of `write_zoo` that are used."""
    yield from (*good_cases(), "folder.jpg/inside.png", "link.jpg")
