"""What a worker does to a photograph before it is labelled: read, check whether it is labelled already, frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.labels.labels import Label, LabelError, digest_label, label_path, load_label
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
    """How the photographs of a round are read, and which labels count as finished."""

    reading: PhotographReading
    labels: str  # label folder
    round: int
    image_shape: tuple[int, int]
    detector_sha256: str  # a label made by other weights is made again

    def __call__(self, name: str) -> PreparedPhotograph:
        """Read one photograph; what cannot be read comes back with its error, what is labelled without its image."""
        path = storage.join(self.reading.root, name)
        try:
            content = read_photograph_bytes(path)
            sha256 = storage.sha256(content)
            finished = self._finished_label(name, sha256)
            if finished is not None:
                content = storage.read_bytes(label_path(self.labels, self.round, name))
                digest = digest_label(name, storage.sha256(content))
                return PreparedPhotograph(name, sha256, num_keypoints=len(finished.keypoints), label_sha256=digest)
            photograph = self.reading.decode(content, path)
            image, image_to_label = cover_and_crop(photograph.image, self.image_shape)
        except PhotographError as error:
            return PreparedPhotograph(printable_name(name), error=str(error.reason))
        mask = None if photograph.mask is None else frame_mask(photograph.mask, self.image_shape)
        return PreparedPhotograph(name, sha256, image, image_to_label, mask)

    def _finished_label(self, name: str, sha256: str) -> Label | None:
        path = label_path(self.labels, self.round, name)
        try:
            label = load_label(path)
        except (FileNotFoundError, LabelError):  # a damaged label is made again
            return None
        made_from = (label.sha256, label.image_shape, label.detector_sha256)
        return label if made_from == (sha256, self.image_shape, self.detector_sha256) else None


@dataclass(frozen=True)
class PreparedPhotograph:
    """A photograph as a worker hands it over; `image` is None if it is labelled already or cannot be read."""

    name: str
    sha256: str = ""
    image: np.ndarray | None = None  # uint8 (H, W), scaled and cropped
    image_to_label: np.ndarray | None = None
    mask: np.ndarray | None = None  # bool (H, W), what of `image` may be labelled; None: all of it
    num_keypoints: int = 0  # of the label that is there
    label_sha256: str = ""
    error: str = ""
