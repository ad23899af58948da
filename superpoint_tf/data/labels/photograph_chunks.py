"""The photographs that are labelled, in chunks: a list a chunk below the label folder, fixed when it is begun."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from superpoint_tf.cluster.cluster import chunks
from superpoint_tf.data.labels.label_arrays import LabelError
from superpoint_tf.data.labels.label_origin import how_to_label
from superpoint_tf.runtime import storage

_FOLDER = "photographs"
_MANY_CHUNKS = 256  # so that many workers have enough of them
_SIZES = 32, 1024  # the smallest and largest chunk that nobody asked for


class Chunk(NamedTuple):
    """Photographs whose labels lie in one archive."""

    number: int
    photographs: tuple[str, ...]  # below the image root


def chunk_size(total: int, wanted: int) -> int:
    """Return how many photographs a chunk has: as `wanted`, or, for 0, by their number alone, never by the workers."""
    return wanted or min(max(total // _MANY_CHUNKS, _SIZES[0]), _SIZES[1])


@dataclass(frozen=True)
class PhotographChunks:
    """The chunks of `total` photographs, `size` each but for the last, whose lists lie in the label folder `root`."""

    root: str
    total: int
    size: int

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def count(self, numbers: Iterable[int]) -> int:
        """Return how many photographs these chunks have together."""
        return sum(min(self.size, self.total - number * self.size) for number in numbers)

    def read(self, number: int) -> Chunk:
        """Read the list of a chunk; raises LabelError if it is missing, another or a damaged one."""
        path, wanted = self._path(number), self.count([number])
        try:
            names = storage.read_json(path)
        except (FileNotFoundError, ValueError):
            names = None
        if not isinstance(names, list) or len(names) != wanted:
            again = f"delete {self.root}/{_FOLDER} and {how_to_label(path)}"
            raise LabelError(f"{path}: missing, or not a list of {wanted} photographs; {again}")
        return Chunk(number, tuple(map(str, names)))

    def write(self, photographs: Iterable[str], validation: Iterable[str], sha256: str) -> None:
        """Write the lists, unless they are there, in one pass over the photographs.

        `sha256` is that of the list (`list_sha256`). Raises LabelError if it became another one; the last list, whose
        presence says that all are there, is not written then.
        """
        if not self.total or storage.exists(self._path(len(self) - 1)):
            return
        last: list[Chunk] = []
        if list_sha256(self._all_but_last(photographs, last), validation) != sha256 or not last:
            raise LabelError(
                f"{self.root}: the photographs changed while they were listed; delete this folder, which holds no "
                "labels yet, and start the command again"
            )
        storage.write_json(self._path(last[0].number), last[0].photographs)

    def _all_but_last(self, photographs: Iterable[str], last: list[Chunk]) -> Iterator[str]:
        for number, names in enumerate(chunks(photographs, self.size)):
            if number == len(self) - 1:
                last.append(Chunk(number, names))
            elif number < len(self):
                storage.write_json(self._path(number), names)
            yield from names

    def _path(self, number: int) -> str:
        return storage.join(self.root, _FOLDER, f"{number:06d}.json")


def list_sha256(photographs: Iterable[str], validation: Iterable[str]) -> str:
    """Return the SHA-256 of the paths of photographs to label and of those held out, which are read once."""
    digest, separator = hashlib.sha256(), b""
    for name in itertools.chain(photographs, ("",), validation):
        digest.update(separator + name.encode(errors="surrogateescape"))
        separator = b"\n"
    return digest.hexdigest()
