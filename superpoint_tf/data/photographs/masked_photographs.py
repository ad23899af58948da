"""Photographs with what of them may be used: masks beside the pixels that files store, as COLMAP has them.

`masks` is a folder with a picture `a/b.jpg.png` for the photograph `a/b.jpg`, black where nothing is to be found or
learnt, or one picture for all. A photograph without a mask may be used as a whole.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.decoded_pictures import keep_decoded
from superpoint_tf.data.photographs.orientation import read_orientation, stored_shape, turn_upright
from superpoint_tf.data.photographs.reading import (
    PhotographError,
    cover_and_crop,
    decode_mask,
    decode_photograph,
    printable_name,
    read_photograph_bytes,
)
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath
from superpoint_tf.runtime.stores import StorePath, walk

MASK_SUFFIX = ".png"


class Photograph(NamedTuple):
    """A photograph as it is shown."""

    image: np.ndarray  # grey uint8 (H, W)
    mask: np.ndarray | None  # bool (H, W), what may be used; None: all of it


@dataclass(frozen=True)
class PhotographReading:
    """How photographs are read: which window of their grey levels, and which masks."""

    stretch: str = NO_STRETCH
    masks: str = ""  # a folder, or one picture; "": none
    root: str = ""  # folder that names of photographs are below, where paths alone are known
    decoded: str = ""  # folder that keeps pictures as they are decoded; "": none

    def check(self) -> None:
        """Raise FileNotFoundError if there are no such masks."""
        if self.masks and not storage.exists(self.masks):
            raise FileNotFoundError(
                f"{self.masks}: no such folder; masks lie below it by the pictures' names, a/b.jpg{MASK_SUFFIX} for "
                "a/b.jpg, or one picture is the mask of all"
            )

    def read(self, path: str) -> Photograph:
        """Read a photograph below the root; raises PhotographError, also for a mask of another size."""
        return self.decode(read_photograph_bytes(path), path)

    def decode(self, content: bytes, path: str) -> Photograph:
        """Do `read` for the content of a file."""
        decode = functools.partial(decode_photograph, content, path, self.stretch)
        image = keep_decoded(self.decoded, content, self.stretch, decode) if self.decoded else decode()
        return Photograph(image, self.mask(self.mask_path(self._name(path)), content, path, image.shape))

    def mask_path(self, *names: str) -> AnyPath | None:
        """Return where the mask of a photograph lies, by the first of its names that has one; None without any."""
        if not self.masks:
            return None
        place = storage.as_path(self.masks)
        candidates = [place / f"{name}{MASK_SUFFIX}" for name in names]
        if isinstance(place, StorePath):
            there = _listed(place)
            return place if there is None else next((path for path in candidates if path in there), None)
        if not place.is_dir():
            return place
        return next((path for path in candidates if os.path.lexists(str(path))), None)

    def mask(
        self, mask_path: AnyPath | None, content: bytes, path: str, image_shape: tuple[int, ...]
    ) -> np.ndarray | None:
        """Return the mask at `mask_path` of an encoded picture, as it is shown with `image_shape`: bool (H, W)."""
        return None if mask_path is None else self.read_mask(mask_path, path, image_shape, read_orientation(content))

    def read_mask(self, mask_path: AnyPath, path: str, image_shape: tuple[int, ...], orientation: int) -> np.ndarray:
        """Read the mask of a picture that its file stores turned, as it is shown with `image_shape`: bool (H, W).

        Raises PhotographError naming both for a mask of another size, or one that cannot be read.
        """
        try:
            stored = decode_mask(read_photograph_bytes(mask_path), mask_path)
        except PhotographError as error:
            raise PhotographError(path, f"its mask {printable_name(mask_path)}: {error.reason}") from error
        shape = stored_shape(image_shape, orientation)
        if stored.shape != shape:
            sizes = f"{stored.shape[1]}x{stored.shape[0]} pixels, the picture {shape[1]}x{shape[0]}"
            turned = ", as its file stores it" if shape != tuple(image_shape[:2]) else ""
            raise PhotographError(path, f"its mask {printable_name(mask_path)} has {sizes}{turned}")
        return turn_upright(stored, orientation)

    def _name(self, path: str) -> str:
        return storage.relative(path, self.root) if self.root else storage.as_path(path).name

    def fingerprint(self, names: Iterable[str]) -> str:
        """Return the SHA-256 of the masks of photographs, by their sorted names, read once; empty without masks."""
        if not self.masks:
            return ""
        digest, separator = hashlib.sha256(), ""
        mask_sha256 = functools.lru_cache(1)(storage.sha256_file)  # one picture may be the mask of all
        for name in names:
            if (path := self.mask_path(name)) is not None:
                digest.update(f"{separator}{name}\0{mask_sha256(path)}".encode(errors="surrogateescape"))
                separator = "\n"
        return digest.hexdigest()


@functools.lru_cache(maxsize=8)
def _listed(place: StorePath) -> frozenset[StorePath] | None:
    """Return the masks in a folder of a store, asked for once, not by each photograph; None if it is no folder."""
    return frozenset(walk(place, lambda name: name.endswith(MASK_SUFFIX))) if place.is_dir() else None


def frame_mask(mask: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Bring a mask bool (H, W) to a frame as `cover_and_crop` brings its picture."""
    return resize_mask(mask, lambda pixels: cover_and_crop(pixels, image_shape)[0])


def resize_mask(mask: np.ndarray, resize: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return a mask bool (H, W) as `resize` brings its picture: a pixel counts if all that it shows do."""
    forbidden = resize((~mask).astype(np.float32))  # of bytes, one pixel among a thousand would be lost
    usable: np.ndarray = forbidden <= 0
    return usable
