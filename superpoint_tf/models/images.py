"""Images as people give them, made what a network takes, and put together by their shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

BATCH_PIXELS = 8 * 480 * 640  # pictures of one shape go through the network together, up to this many pixels
_WAITING_PIXELS = 4 * BATCH_PIXELS  # of pictures of all shapes that wait for others of theirs
Placed = tuple[int, tf.Tensor]  # place in the batch, float32 (H, W, 1)


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


def groups_of_one_shape(
    images: Iterable[Any], prepare: Callable[[Any], tf.Tensor], left_out: dict[int, str], batch_pixels: float
) -> Iterator[list[Placed]]:
    """Yield images prepared, with their places, in groups of one shape; name those that cannot be used in `left_out`.

    A group is given as soon as it fills a batch, or, the largest one, when too many pixels wait.
    """
    waiting: dict[tuple[int, ...], list[Placed]] = {}
    pixels: dict[tuple[int, ...], int] = {}
    for place, image in enumerate(images):
        try:
            tensor = prepare(image)
        except ValueError as error:
            left_out[place] = str(error)
            continue
        shape = tuple(tensor.shape)
        one = shape[0] * shape[1]
        waiting.setdefault(shape, []).append((place, tensor))
        pixels[shape] = pixels.get(shape, 0) + one
        full = shape if pixels[shape] + one > batch_pixels else None
        if full is None and sum(pixels.values()) > _WAITING_PIXELS:
            full = max(pixels, key=pixels.__getitem__)
        if full is not None:
            del pixels[full]
            yield waiting.pop(full)
    yield from waiting.values()
