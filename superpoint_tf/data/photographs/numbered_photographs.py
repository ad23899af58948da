"""Photographs by the number of a sample: in a new order every epoch, whatever else a sample takes of them."""

from __future__ import annotations

from collections.abc import Sequence

from superpoint_tf.data.photometric_backends import PendingChange
from superpoint_tf.data.sources import index_of_sample
from superpoint_tf.runtime import storage


class NumberedPhotographs:
    """Photographs below a root, and which of them a sample of a key shows."""

    pending: PendingChange | None = None

    def __init__(self, image_root: str, photographs: Sequence[str], key: int) -> None:
        self._image_root, self._photographs, self.key = image_root, photographs, key

    def picture_name(self, number: int) -> str:
        """Return the path of the photograph that sample `number` shows."""
        return self.path(self._index(number))

    def path(self, index: int) -> str:
        """Return where the photograph of an index lies."""
        return storage.join(self._image_root, self._photographs[index])

    def _index(self, number: int) -> int:
        return index_of_sample(self.key, number, len(self._photographs))
