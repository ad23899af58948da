"""The one reader of photographs: any common file becomes a grey uint8 picture in the frame that is asked for."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import stat
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.stretch import OutsideWindow, stretch_levels
from superpoint_tf.geometry.numpy_reference import cover_and_crop_frame, resize_crop_homography
from superpoint_tf.runtime import storage, stores
from superpoint_tf.runtime.invocation import how_to_install
from superpoint_tf.runtime.storage import AnyPath

with contextlib.suppress(ImportError):  # the extra `heic`
    import pillow_heif

    pillow_heif.register_heif_opener()

_MIN_SIDE_PX = 2
_MAX_FILE_BYTES = 2**30
_MAX_ASPECT_EXCESS = 4.0  # a picture this much longer than the frame is trimmed before it is enlarged
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")  # kinds of file of the container's
_BACKGROUND = 128  # grey below transparent pixels: a shape of any brightness stands out


class PhotographError(Exception):
    """A file that cannot be used as a photograph; callers count and name these."""

    def __init__(self, path: str | AnyPath, reason: str) -> None:
        self.path, self.reason = printable_name(path), reason
        super().__init__(self.path, reason)  # both arguments: it must survive the way back from a worker process

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def printable_name(path: str | AnyPath) -> str:
    """Return a path as a terminal, a JSON file and HDF5 take it: bytes that are not UTF-8 as `\\udcff`."""
    return str(path).encode(errors="backslashreplace").decode()


def check_name(path: str | AnyPath) -> None:
    """Raise PhotographError for a name that is not UTF-8: no manifest, feature file or terminal can hold it."""
    if printable_name(path) != str(path):
        raise PhotographError(path, "its name is not UTF-8; rename it")


def read_photograph(path: str | AnyPath, stretch: str = NO_STRETCH) -> np.ndarray:
    """Return the picture in a file as grey uint8 (H, W), upright; raises PhotographError.

    `stretch` is that of `stretch_levels`: thermal pictures use a small part of their 16 bits.
    """
    return decode_photograph(read_photograph_bytes(path), path, stretch)


def read_grey_and_colour(path: str | AnyPath, stretch: str = NO_STRETCH) -> tuple[np.ndarray, np.ndarray]:
    """Return what `read_photograph` returns, and the same picture as uint8 BGR (H, W, 3) to draw on, decoded once.

    Grey pictures have three equal channels. Raises PhotographError.
    """
    return decode_grey_and_colour(read_photograph_bytes(path), path, stretch)


def decode_grey_and_colour(
    content: bytes, path: str | AnyPath, stretch: str = NO_STRETCH
) -> tuple[np.ndarray, np.ndarray]:
    """Do `read_grey_and_colour` for the content of a file; `path` is named in errors."""
    to_bgr = functools.partial(_to_bgr, stretch=stretch)
    try:
        both = _decode(content, path, functools.partial(_to_grey_and_bgr, stretch=stretch), jpeg_mode="YCbCr")
    except PhotographError:  # a JPEG that stores RGB has no luma of its own
        return decode_photograph(content, path, stretch), _decode(content, path, to_bgr)
    return np.ascontiguousarray(both[:, :, 0]), np.ascontiguousarray(both[:, :, 1:])


def read_photograph_bytes(path: str | AnyPath) -> bytes:
    """Return the content of a file, for hashing and decoding what is the same: the one door to photographs.

    `path` lies on a disk, or is a URL. Raises PhotographError, and one of `stores.REFUSALS` for a store that does not
    answer or lets nobody in, which is no property of the photograph.
    """
    check_name(path)
    try:
        content = _read_from_store(str(path)) if storage.is_remote(path) else _read_from_disk(path)
    except FileNotFoundError as error:
        is_link = not storage.is_remote(path) and Path(str(path)).is_symlink()
        raise PhotographError(path, "link to a file that is not there" if is_link else "no such file") from error
    except stores.REFUSALS:
        raise
    except OSError as error:
        raise PhotographError(path, (error.strerror or str(error)).lower()) from error
    if not content:
        raise PhotographError(path, "empty file")
    return content


def _read_from_store(url: str) -> bytes:
    _check_size(url, stores.size_of(url))  # TensorFlow asks for the size too, and remembers it
    return stores.read_bytes(url)


def _read_from_disk(path: str | AnyPath) -> bytes:
    found = os.stat(str(path))
    # before it is opened: a pipe would wait for a writer for ever, a device may have no end
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise PhotographError(path, "not a file: a pipe, socket or device")
    _check_size(path, found.st_size)
    return Path(str(path)).read_bytes()


def _check_size(path: str | AnyPath, size: int) -> None:
    if size > _MAX_FILE_BYTES:
        raise PhotographError(path, f"too large to be read safely ({size} bytes)")


def decode_photograph(content: bytes, path: str | AnyPath, stretch: str = NO_STRETCH) -> np.ndarray:
    """Return an encoded picture as grey uint8 (H, W), upright by its EXIF orientation; `path` is named in errors.

    16-bit grey is divided by 257, unless `stretch` (see `stretch_levels`) names a window of it; transparency lies over
    mid grey, animations give their first frame. Raises PhotographError for anything truncated, unreadable, larger than
    Pillow's limit or below 2 pixels a side.
    """
    return _decode(content, path, functools.partial(_to_grey, stretch=stretch), jpeg_mode="L")


def decode_mask(content: bytes, path: str | AnyPath) -> np.ndarray:
    """Return where an encoded picture is not black, bool (H, W), in the pixels that its file stores.

    Opacity and EXIF count for nothing, as in COLMAP. Raises PhotographError as `decode_photograph`.
    """
    return _decode(content, path, _not_black, upright=False)


def _decode(
    content: bytes,
    path: str | AnyPath,
    convert: Callable[[Image.Image], np.ndarray],
    jpeg_mode: str = "",
    upright: bool = True,
) -> np.ndarray:
    """Return what `convert` makes of a picture; a colour JPEG is decoded into `jpeg_mode`: L is its luma alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, large pictures: Pillow warns, we decide
            with Image.open(io.BytesIO(content)) as image:
                if jpeg_mode:
                    image.draft(jpeg_mode, None)  # type: ignore[arg-type]
                pixels = convert(ImageOps.exif_transpose(image) if upright else image)
    except Exception as error:  # every decoder raises its own kind
        raise PhotographError(path, _describe(error, content)) from error
    height, width = pixels.shape[:2]
    if min(height, width) < _MIN_SIDE_PX:
        raise PhotographError(path, f"too small ({width}x{height} pixels)")
    return np.ascontiguousarray(pixels)


def _describe(error: Exception, content: bytes) -> str:
    if isinstance(error, OutsideWindow):
        return str(error)
    if isinstance(error, Image.UnidentifiedImageError):
        if "HEIF" not in Image.OPEN and content[4:8] == b"ftyp" and content[8:12] in _HEIC:
            return f"HEIC, which pillow-heif reads: {how_to_install('heic')}, or pip install pillow-heif"
        return "not a picture in a known format"
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return f"too large to be decoded safely (above {limit:.0f} million pixels); cut it into parts or shrink it"
    return f"damaged or not supported ({' '.join(str(error).split()) or type(error).__name__})"


def _to_grey(image: Image.Image, stretch: str) -> np.ndarray:
    return stretch_levels(_levels(image), stretch)


def _levels(image: Image.Image) -> np.ndarray:
    """Return the grey levels (H, W) that a file holds: uint8, uint16, or numbers that only a window makes use of."""
    if image.mode == "F":
        return np.asarray(image)
    if image.mode.startswith("I"):  # 16 bits, which older versions of Pillow open as 32
        values = np.asarray(image, np.int64)
        return values if values.min() < 0 or values.max() > 65535 else values.astype(np.uint16)
    if image.mode == "YCbCr":
        return np.asarray(image.getchannel("Y"))
    return np.asarray(_opaque(image).convert("L"))


def _to_bgr(image: Image.Image, stretch: str) -> np.ndarray:
    if image.mode in ("1", "L", "F") or image.mode.startswith("I"):
        return np.repeat(_to_grey(image, stretch)[:, :, None], 3, axis=2)
    return np.asarray(_opaque(image).convert("RGB"))[:, :, ::-1]


def _to_grey_and_bgr(image: Image.Image, stretch: str) -> np.ndarray:
    return np.dstack([_to_grey(image, stretch), _to_bgr(image, stretch)])


def _not_black(image: Image.Image) -> np.ndarray:
    plain = image.mode == "F" or image.mode.startswith("I")
    return np.asarray(image if plain else image.convert("L")) != 0


def _opaque(image: Image.Image) -> Image.Image:
    """Return a picture of mode 1, L or RGB, what was transparent over mid grey."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, (_BACKGROUND, _BACKGROUND, _BACKGROUND, 255))
        image = Image.alpha_composite(background, image)
    return image if image.mode in ("1", "L", "RGB") else image.convert("RGB")


def cover_and_crop(image: np.ndarray, image_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Scale uint8 (H, W) until it covers `image_shape`, then cut the centre.

    Shrinks by area averaging, grows bilinearly. Returns the uint8 picture of `image_shape` and the map float64 (3, 3)
    from xy of the original to xy of the result, by the half-pixel rule.
    """
    trimmed, corner = _trim(image, image_shape)
    trimmed_shape = (trimmed.shape[0], trimmed.shape[1])
    (height, width), (top, left) = cover_and_crop_frame(trimmed_shape, image_shape)
    resized = trimmed
    if (height, width) != trimmed_shape:
        shrinks = height * width < trimmed.size
        resized = cv2.resize(trimmed, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    cropped = np.ascontiguousarray(resized[top : top + image_shape[0], left : left + image_shape[1]])
    original_to_trimmed = np.array([[1.0, 0.0, -corner[0]], [0.0, 1.0, -corner[1]], [0.0, 0.0, 1.0]])
    return cropped, resize_crop_homography(trimmed_shape, image_shape) @ original_to_trimmed


def _trim(image: np.ndarray, image_shape: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Cut the centre of a panorama whose ends are lost anyway, so that enlarging it cannot fill the memory."""
    scale = max(image_shape[0] / image.shape[0], image_shape[1] / image.shape[1])
    limits = [int(np.ceil(_MAX_ASPECT_EXCESS * side / scale)) for side in image_shape]
    keep = [min(side, limit + (side - limit) % 2) for side, limit in zip(image.shape, limits, strict=True)]  # centred
    top, left = (image.shape[0] - keep[0]) // 2, (image.shape[1] - keep[1]) // 2
    return image[top : top + keep[0], left : left + keep[1]], (left, top)
