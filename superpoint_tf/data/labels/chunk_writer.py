"""A chunk of a round while it is labelled: what an earlier start left of it, and how it is saved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from superpoint_tf.data.labels.label_arrays import LabelError
from superpoint_tf.data.labels.label_chunks import (
    ChunkIndex,
    StoredLabel,
    is_whole,
    read_index,
    unpack_archive,
    unpack_rows,
    write_archive,
    write_chunk,
)
from superpoint_tf.data.labels.label_places import archive_path, archived_path
from superpoint_tf.data.labels.labels import decode_label
from superpoint_tf.data.labels.photograph_chunks import Chunk
from superpoint_tf.runtime import storage

_SAVE_EVERY_S = 30.0  # a killed process loses no more


class Turn(NamedTuple):
    """A photograph that is to be looked at; `made_from`: the SHA-256 of the picture that a label at hand is of."""

    photograph: str
    made_from: str = ""


class ChunkWriter:
    """The labels of a chunk of photographs by one detector, in one frame.

    `stored` is finished. `turns` are to be labelled: what is not there, and what could not be read before. Without
    its index all of a chunk is looked at again, and only pictures that changed since are labelled anew.
    """

    def __init__(self, root: str, round: int, chunk: Chunk, detector_sha256: str, image_shape: tuple[int, int]) -> None:
        self._archive = archive_path(root, round, chunk.number)
        self._detector_sha256, self._image_shape = detector_sha256, image_shape
        self._labels: dict[str, bytes] = {}  # loaded if any is to be added
        self._num_keypoints: list[int] = []
        self._found: dict[
            str, tuple[bytes, int]
        ] = {}  # not looked at yet: labels without an index, and their keypoints
        self.left_out: dict[str, str] = {}
        self._index = self._read_index(chunk)
        done = self._index.rows if self._index else {}
        self.turns = [Turn(name) for name in chunk.photographs if name not in done]
        if self.turns and not self._load():
            self.turns = [Turn(name, made_from) for name, made_from in self._find(chunk)]
        self._saved_at, self._is_saved = time.monotonic(), True

    @property
    def stored(self) -> Iterator[StoredLabel]:
        """Yield what was finished before."""
        yield from self._index or ()

    def add(self, photograph: str, content: bytes, num_keypoints: int) -> StoredLabel:
        """Add a label file; all is saved twice a minute."""
        self._labels[photograph] = content
        self._found.pop(photograph, None)
        self._num_keypoints.append(num_keypoints)
        self._is_saved = False
        if time.monotonic() - self._saved_at > _SAVE_EVERY_S:
            self.save()
        return StoredLabel(photograph, num_keypoints, storage.sha256(content))

    def keep(self, photograph: str) -> StoredLabel:
        """Add the label that was found of a picture that did not change."""
        return self.add(photograph, *self._found[photograph])

    def leave_out(self, photograph: str, reason: str) -> None:
        """Note why there is no label of a photograph."""
        self.left_out[photograph] = reason
        self._found.pop(photograph, None)
        self._is_saved = False

    def save(self) -> None:
        """Write archive and index, unless they hold what there is.

        As long as there are labels that were not looked at, without an index: they stay, and all is looked at again.
        """
        self._saved_at = time.monotonic()
        before = self._index.left_out if self._index else None
        if self._is_saved or (before == self.left_out and self._index and len(self._index.rows) == len(self._labels)):
            return
        if self._found:
            write_archive(self._archive, {**self._labels, **{name: label for name, (label, _) in self._found.items()}})
            self._is_saved = True
            return
        what = (self._detector_sha256, self._labels, self._num_keypoints, self.left_out)
        self._index, self._is_saved = write_chunk(self._archive, *what), True

    def _read_index(self, chunk: Chunk) -> ChunkIndex | None:
        try:
            index = read_index(self._archive)
        except (FileNotFoundError, LabelError):  # a damaged one is made again
            return None
        fits = index.detector_sha256 == self._detector_sha256 and {*index.photographs} <= {*chunk.photographs}
        return index if fits and is_whole(self._archive, index) else None

    def _load(self) -> bool:
        """Read the labels that the index tells of; tell whether all are there."""
        if self._index is None:
            return False
        self._labels = unpack_rows(self._archive, self._index)
        if len(self._labels) < len(self._index.rows):
            self._index = None
            return False
        self._num_keypoints = self._index.num_keypoints.tolist()
        return True

    def _find(self, chunk: Chunk) -> Iterator[tuple[str, str]]:
        """Yield each photograph, and of what picture the archive has a label of it, if by this detector and frame."""
        archived = unpack_archive(self._archive)
        for name in chunk.photographs:
            made_from = ""
            try:
                path = archived_path(self._archive, name)
                label = decode_label(storage.unpack_npz(archived[name], path), path)
            except (KeyError, ValueError):
                pass
            else:
                if (label.detector_sha256, label.image_shape) == (self._detector_sha256, self._image_shape):
                    self._found[name], made_from = (archived[name], len(label.keypoints)), label.sha256
            yield name, made_from
