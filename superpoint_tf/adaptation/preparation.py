"""What a worker does to a photograph before it is labelled: read it, and bring it to its frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.labels.chunk_writer import Turn
from superpoint_tf.data.photographs.masked_photographs import PhotographReading, frame_mask
from superpoint_tf.data.photographs.reading import (
    PhotographError,
    cover_and_crop,
    printable_name,
    read_photograph_bytes,
)
from superpoint_tf.runtime import storage


@dataclass(frozen=True)
class Preparation:
    """How the photographs of a round are read."""

    reading: PhotographReading
    image_shape: tuple[int, int]

    def __call__(self, turn: Turn) -> PreparedPhotograph:
        """Read one photograph; what cannot be read comes back with its error, what is labelled without its image."""
        name = turn.photograph
        path = storage.join(self.reading.root, name)
        try:
            content = read_photograph_bytes(path)
            sha256 = storage.sha256(content)
            if sha256 == turn.made_from:
                return PreparedPhotograph(name, sha256)
            photograph = self.reading.decode(content, path)
            image, image_to_label = cover_and_crop(photograph.image, self.image_shape)
        except PhotographError as error:
            return PreparedPhotograph(printable_name(name), error=str(error.reason))
        mask = None if photograph.mask is None else frame_mask(photograph.mask, self.image_shape)
        return PreparedPhotograph(name, sha256, image, image_to_label, mask)


@dataclass(frozen=True)
class PreparedPhotograph:
    """A photograph as a worker hands it over; `image` is None if it is labelled already or cannot be read."""

    name: str
    sha256: str = ""
    image: np.ndarray | None = None  # uint8 (H, W), scaled and cropped
    image_to_label: np.ndarray | None = None
    mask: np.ndarray | None = None  # bool (H, W), what of `image` may be labelled; None: all of it
    label: bytes = b""  # its label file, once it is labelled
    num_keypoints: int = 0
    error: str = ""
