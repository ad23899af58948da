"""The photographs that have labels in a round, in order, and where the label of each lies; nothing holds them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from superpoint_tf.data.labels.label_chunks import photograph_at, read_index
from superpoint_tf.data.labels.label_places import LabelPlace, archive_path, archived_path
from superpoint_tf.data.labels.labels import LabelManifest, label_path
from superpoint_tf.runtime import storage


class LabelSet(Sequence[str]):
    """The photographs of a round, as paths below the image root: `labels[5]` is the sixth."""

    def __init__(self, root: str, round: int) -> None:
        self.root, self.round = root, round

    def place(self, index: int) -> LabelPlace:
        """Return where the label of the photograph of an index lies; reads nothing."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        return resolve_place(self.place(index))[0]


class LabelFiles(LabelSet):
    """Labels of schema 1 and 2: a file each."""

    def __init__(self, root: str, round: int, photographs: Sequence[str]) -> None:
        super().__init__(root, round)
        self._photographs = tuple(photographs)

    def __len__(self) -> int:
        return len(self._photographs)

    def place(self, index: int) -> LabelPlace:
        return LabelPlace(label_path(self.root, self.round, self._photographs[index]), self._photographs[index])


class LabelChunks(LabelSet):
    """Labels in chunks; `counts` says how many each has. Indexes are read as they are needed, the last few kept."""

    def __init__(self, root: str, round: int, counts: Sequence[int]) -> None:
        super().__init__(root, round)
        self._ends = np.cumsum(counts, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def place(self, index: int) -> LabelPlace:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.root}: photograph {index} of {len(self)} in round {self.round}")
        index %= len(self)
        chunk = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[chunk - 1]) if chunk else 0
        return LabelPlace(archive_path(self.root, self.round, chunk), row=index - first)

    def __iter__(self) -> Iterator[str]:
        for chunk in np.flatnonzero(np.diff(self._ends, prepend=0)):
            yield from read_index(archive_path(self.root, self.round, int(chunk))).photographs


def labelled_photographs(root: str, manifest: LabelManifest) -> LabelSet:
    """Return the photographs that have labels in the final round of a label folder."""
    if manifest.schema_version > 2:
        return LabelChunks(root, manifest.final_round, manifest.chunks)
    return LabelFiles(root, manifest.final_round, manifest.photographs)


def resolve_place(place: LabelPlace) -> tuple[str, str]:
    """Return the photograph of a label, below the image root, and the label's path, for `load_label`.

    Raises FileNotFoundError if the index of its chunk is missing, LabelError for a damaged one.
    """
    if place.row < 0:
        return place.photograph, place.path
    photograph = photograph_at(place.path, place.row)
    return photograph, archived_path(place.path, photograph)


def find_label(root: str, round: int, photograph: str) -> str:
    """Return the path of the label of a photograph, for `load_label`, wherever in the folder it lies.

    Looks into the folder's chunks one after another, then for a file of its own.
    """
    folder = storage.join(root, f"round_{round}")
    names = storage.list_folder(folder) if storage.exists(folder) else []
    for name in names:
        archive = storage.join(folder, name)
        if name.endswith(".zip") and photograph in read_index(archive).rows:
            return archived_path(archive, photograph)
    return label_path(root, round, photograph)
