"""The labels of a chunk of photographs in two files: a ZIP archive of label files, and an index of what is where.

The archive is written first. While a chunk is labelled labels are added at its end alone, so that an index fits every
later archive.
Any program that opens ZIP files shows what is in one.
"""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from superpoint_tf.data.labels.label_arrays import LabelError, check_array
from superpoint_tf.data.labels.label_origin import how_to_label, remedy
from superpoint_tf.data.labels.label_places import LABEL_SUFFIX, archived_path, index_path
from superpoint_tf.runtime import storage

_FORMAT = 1
_CACHED = 128  # indexes a process keeps: of 1,024 photographs each, some 25 MB
_DIGEST_BYTES = 32
_MOST = {"offsets": 2**40, "lengths": 2**26, "num_keypoints": 2**31}  # a label of the largest frame has half the bytes
_INDEX: dict[str, tuple[str, tuple[int | None, ...]]] = {  # kinds and shape of each array
    "format": ("iu", ()),
    "detector_sha256": ("U", ()),
    "photographs": ("u", (None,)),  # text, UTF-8, ended by zeros: no name has one
    "offsets": ("iu", (None,)),
    "lengths": ("iu", (None,)),
    "sha256": ("u", (None, _DIGEST_BYTES)),
    "num_keypoints": ("iu", (None,)),
    "left_out": ("u", (None,)),
    "reasons": ("u", (None,)),
}


class StoredLabel(NamedTuple):
    """What an index says of a label, but for its place."""

    photograph: str
    num_keypoints: int
    sha256: str  # of the label file, in hexadecimal


@dataclass(frozen=True)
class ChunkIndex:
    """What a chunk's archive holds, in the order of the labels."""

    detector_sha256: str  # of the weights that made the labels
    photographs: tuple[str, ...]
    offsets: np.ndarray  # int64 (N,), of the label files in the archive
    lengths: np.ndarray  # int64 (N,)
    sha256: np.ndarray  # uint8 (N, 32), of the label files
    num_keypoints: np.ndarray  # int64 (N,)
    left_out: Mapping[str, str]  # why there is no label, by photograph

    @functools.cached_property
    def rows(self) -> dict[str, int]:
        """Return the row of each photograph."""
        return {name: row for row, name in enumerate(self.photographs)}

    def __iter__(self) -> Iterator[StoredLabel]:
        """Yield the labels in order."""
        for columns in zip(self.photographs, self.num_keypoints.tolist(), self.sha256, strict=True):
            yield StoredLabel(*columns[:2], columns[2].tobytes().hex())

    def to_bytes(self) -> bytes:
        """Return the index as its file holds it."""
        return storage.npz_bytes(
            format=np.asarray(_FORMAT, np.int64),
            detector_sha256=np.asarray(self.detector_sha256),
            photographs=_pack(self.photographs),
            offsets=self.offsets,
            lengths=self.lengths,
            sha256=self.sha256,
            num_keypoints=self.num_keypoints,
            left_out=_pack(self.left_out),
            reasons=_pack(self.left_out.values()),
        )


def pack_chunk(
    detector_sha256: str, labels: Mapping[str, bytes], num_keypoints: Sequence[int], left_out: Mapping[str, str]
) -> tuple[bytes, ChunkIndex]:
    """Return the archive of label files, by photograph, and its index; the same labels give the same bytes."""
    archive, offsets = _pack_archive(labels)
    digests = b"".join(map(_digest, labels.values()))
    index = ChunkIndex(
        detector_sha256,
        tuple(labels),
        np.array(offsets, np.int64),
        np.array([len(content) for content in labels.values()], np.int64),
        np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST_BYTES),
        np.array(num_keypoints, np.int64),
        dict(left_out),
    )
    return archive, index


def _pack_archive(labels: Mapping[str, bytes]) -> tuple[bytes, list[int]]:
    """Return the archive of label files, and where in it each begins."""
    buffer, offsets = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w") as archive:
        for photograph, content in labels.items():
            member = zipfile.ZipInfo(photograph + LABEL_SUFFIX)  # of the year 1980
            member.create_system = 3  # the same on Windows
            archive.writestr(member, content)
            offsets.append(member.header_offset + len(member.FileHeader()))
    return buffer.getvalue(), offsets


def write_chunk(
    path: str, detector_sha256: str, labels: Mapping[str, bytes], num_keypoints: Sequence[int], left_out: dict[str, str]
) -> ChunkIndex:
    """Write the archive of label files, by photograph, then its index; raises WriteError."""
    content, index = pack_chunk(detector_sha256, labels, num_keypoints, left_out)
    storage.write_bytes(path, content)
    storage.write_bytes(index_path(path), index.to_bytes())
    _cached_index.cache_clear()
    return index


def write_archive(path: str, labels: Mapping[str, bytes]) -> None:
    """Write an archive of label files, by photograph, that no index tells of; raises WriteError."""
    storage.write_bytes(path, _pack_archive(labels)[0])


def unpack_archive(archive: str) -> dict[str, bytes]:
    """Return the label files in an archive, by photograph; empty if there is none, or a damaged one."""
    try:
        content = storage.read_bytes(archive)
    except FileNotFoundError:
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            names = [name for name in file.namelist() if name.endswith(LABEL_SUFFIX)]
            return {name.removesuffix(LABEL_SUFFIX): file.read(name) for name in names}
    except Exception:  # every way to compress raises its own kind for what is damaged
        return {}


def read_index(archive: str) -> ChunkIndex:
    """Read the index of an archive; raises FileNotFoundError if there is none, LabelError for a damaged one."""
    path = index_path(archive)
    try:
        arrays = storage.load_npz(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such index of labels; {how_to_label(path)}") from error
    except ValueError as error:
        raise LabelError(f"{error}; {remedy(path)}") from error
    for name, (kinds, shape) in _INDEX.items():
        check_array(path, arrays, name, kinds, shape, "an index of labels")
    if arrays["format"] != _FORMAT:
        raise LabelError(f"{path}: index format {arrays['format']}, this version reads {_FORMAT}; {remedy(path)}")
    try:
        photographs, left_out, reasons = (_unpack(arrays[name]) for name in ("photographs", "left_out", "reasons"))
    except ValueError as error:
        raise LabelError(f"{path}: its names are damaged ({error}); {remedy(path)}") from error
    counts = [len(photographs), *(len(arrays[name]) for name in ("offsets", "lengths", "sha256", "num_keypoints"))]
    if len({*counts}) > 1 or len({*photographs}) < len(photographs) or len(left_out) != len(reasons):
        raise LabelError(f"{path}: its columns do not belong together (rows: {counts}); {remedy(path)}")
    columns: dict[str, Any] = {"sha256": arrays["sha256"]}
    for name, most in _MOST.items():
        if ((arrays[name] < 0) | (arrays[name] > most)).any():
            raise LabelError(f"{path}: {name} must lie between 0 and {most}; {remedy(path)}")
        columns[name] = arrays[name].astype(np.int64)
    left_out_by_name = dict(zip(left_out, reasons, strict=True))
    return ChunkIndex(str(arrays["detector_sha256"]), photographs, left_out=left_out_by_name, **columns)


_cached_index = functools.lru_cache(maxsize=_CACHED)(read_index)


def photograph_at(archive: str, row: int) -> str:
    """Return which photograph the label in a row of a chunk is of; raises as `read_archived`."""
    index = _cached_index(archive)
    if row >= len(index.photographs):  # written since
        _cached_index.cache_clear()
        index = _cached_index(archive)
    if row >= len(index.photographs):
        path = index_path(archive)
        raise LabelError(f"{path}: {len(index.photographs)} labels, number {row} is asked for; {remedy(path)}")
    return index.photographs[row]


def read_archived(archive: str, photograph: str) -> bytes:
    """Return the label file of a photograph from the archive of its chunk.

    Raises FileNotFoundError if it is not there, LabelError for a damaged archive or index.
    """
    path = archived_path(archive, photograph)
    for _ in range(2):  # the second time read anew: a chunk may have been written since
        index = _cached_index(archive)
        if (row := index.rows.get(photograph)) is not None:
            content = _read_row(archive, index, row)
            if content is not None:
                return content
        _cached_index.cache_clear()
    if row is None:
        raise FileNotFoundError(f"{path}: no such label; {how_to_label(path)}")
    raise LabelError(f"{path}: damaged, or missing (not what {index_path(archive)} tells); {remedy(path)}")


def unpack_rows(archive: str, index: ChunkIndex) -> dict[str, bytes]:
    """Return the label files that an index tells of, by photograph; empty unless all are in the archive as it tells."""
    try:
        content = storage.read_bytes(archive)
    except FileNotFoundError:
        return {}
    ends = (index.offsets + index.lengths).tolist()
    parts = [content[start:end] for start, end in zip(index.offsets.tolist(), ends, strict=True)]
    if b"".join(map(_digest, parts)) != index.sha256.tobytes():
        return {}
    return dict(zip(index.photographs, parts, strict=True))


def is_whole(archive: str, index: ChunkIndex) -> bool:
    """Tell whether an archive is there up to the last label that the index tells of."""
    if not index.photographs:
        return storage.exists(archive)
    return _read_row(archive, index, len(index.photographs) - 1) is not None


def _read_row(archive: str, index: ChunkIndex, row: int) -> bytes | None:
    """Return the label file in a row of an archive, None unless it is what the index tells."""
    try:
        content = storage.read_part(archive, int(index.offsets[row]), int(index.lengths[row]))
    except FileNotFoundError:
        return None
    return content if _digest(content) == index.sha256[row].tobytes() else None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _pack(names: Iterable[str]) -> np.ndarray:
    return np.frombuffer("".join(f"{name}\0" for name in names).encode(), np.uint8)


def _unpack(packed: np.ndarray) -> tuple[str, ...]:
    text = packed.tobytes().decode()
    if text and not text.endswith("\0"):
        raise ValueError("cut")
    return tuple(text.split("\0")[:-1])
