"""Images as people give them, made what a network takes, and put together by their shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

BATCH_PIXELS = 8 * 480 * 640  # pictures of one shape go through the network together, up to this many pixels
_WAITING_PIXELS = 4 * BATCH_PIXELS  # of pictures of all shapes that wait for others of theirs


class Placed(NamedTuple):
    """An image of a batch, prepared."""

    place: int
    image: tf.Tensor  # float32 (H, W, 1)
    mask: np.ndarray | None  # bool (H, W)


def prepare_image(image: Any) -> tf.Tensor:
    """Return an image as float32 (H, W, 1) in [0, 1]; colour becomes grey by ITU-R 601, uint16 is divided by 65535.

    Raises ValueError for other shapes, other ranges, NaN, or an empty image.
    """
    if image is None:
        raise ValueError("image is None: cv2.imread returns that for a file that is missing or no picture")
    if isinstance(image, str | Path):
        raise ValueError(f"image is a name, {str(image)!r}: read it first, cv2.imread(name, cv2.IMREAD_GRAYSCALE)")
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"image has shape {np.shape(image)}; expected (H, W), (H, W, 1) or (H, W, 3), not empty")
    if array.dtype == np.uint8:
        array = array.astype(np.float32) / 255.0
    elif array.dtype == np.uint16:
        array = array.astype(np.float32) / 65535.0
    elif np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
        if not np.isfinite(array).all() or array.min() < 0.0 or array.max() > 1.0:
            raise ValueError("image has float values outside [0, 1] or not finite; divide grey levels by 255")
    else:
        raise ValueError(f"image has dtype {array.dtype}; expected uint8, uint16, or float in [0, 1]")
    if array.shape[2] == 3:
        array = array @ np.array([[0.299], [0.587], [0.114]], np.float32)
    return tf.constant(array, tf.float32)


def prepare_mask(mask: Any, image_shape: Sequence[int]) -> np.ndarray | None:
    """Return where a mask of (H, W) or (H, W, 1), of whole numbers or bool, is not 0, bool (H, W); None stays None.

    Raises ValueError for another shape than the image's, naming both, or another type.
    """
    if mask is None:
        return None
    array, shape = np.asarray(mask), tuple(image_shape[:2])
    if array.shape not in (shape, (*shape, 1)):
        raise ValueError(f"the mask has shape {array.shape}, the image {shape}; they must agree")
    if array.dtype.kind not in "bui":
        raise ValueError(f"the mask has dtype {array.dtype}; expected uint8 or bool, 0 where nothing is to be found")
    usable: np.ndarray = array.reshape(shape) != 0
    return usable


def groups_of_one_shape(
    images: Iterable[tuple[Any, Any]],
    prepare: Callable[[Any], tf.Tensor],
    left_out: dict[int, str],
    batch_pixels: float,
) -> Iterator[list[Placed]]:
    """Yield images prepared, with their places, in groups of one shape; name those that cannot be used in `left_out`.

    Each comes with its mask, or None. A group is given as soon as it fills a batch, or, the largest one, when too many
    pixels wait.
    """
    waiting: dict[tuple[int, ...], list[Placed]] = {}
    pixels: dict[tuple[int, ...], int] = {}
    for place, (image, mask) in enumerate(images):
        try:
            tensor = prepare(image)
            usable = prepare_mask(mask, tensor.shape)
        except ValueError as error:
            left_out[place] = str(error)
            continue
        shape = tuple(tensor.shape)
        one = shape[0] * shape[1]
        waiting.setdefault(shape, []).append(Placed(place, tensor, usable))
        pixels[shape] = pixels.get(shape, 0) + one
        full = shape if pixels[shape] + one > batch_pixels else None
        if full is None and sum(pixels.values()) > _WAITING_PIXELS:
            full = max(pixels, key=pixels.__getitem__)
        if full is not None:
            del pixels[full]
            yield waiting.pop(full)
    yield from waiting.values()
