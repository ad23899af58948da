"""Reading the files of synthetic shapes, any picture at a time, without TensorFlow (so that workers can)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from superpoint_tf.data.shapes.record_format import decode_sample
from superpoint_tf.runtime import operating_system, storage
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.json_forms import misfits

SCHEMA_VERSION = 1
_LENGTH_BYTES, _CRC_BYTES = 8, 4  # a TFRecord: length, its checksum, content, its checksum
_FILE = {"file": str, "split": str, "pictures": int, "sha256": str}
_MANIFEST = {"schema_version": int, "draw": dict, "files": [_FILE]}


class RecordError(ValueError):
    """A set of records that is missing, damaged or of another version; the message names the file and the remedy."""


def manifest_path(root: str) -> str:
    """Return where a folder of synthetic sets says what it holds."""
    return storage.join(root, "manifest.json")


def read_record_manifest(root: str) -> dict[str, Any]:
    """Return the manifest of a finished folder; raises FileNotFoundError or RecordError with the remedy."""
    path = manifest_path(root)
    try:
        manifest: dict[str, Any] = storage.read_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no synthetic sets in {root} ({path} is missing); run {how_to_run('generate_synthetic')} --output {root}"
        ) from error
    except ValueError as error:
        raise RecordError(str(error)) from error
    if isinstance(manifest, dict) and manifest.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        schema = f"schema {manifest['schema_version']}, this version reads {SCHEMA_VERSION}"
        raise RecordError(f"{path}: {schema}; {_remedy(root)}")
    if wrong := list(misfits(manifest, _MANIFEST)):
        misfit = f"not a manifest of synthetic sets (what does not fit: {', '.join(wrong)})"
        raise RecordError(f"{path}: {misfit}; {_remedy(root)}")
    return manifest


def _remedy(root: str) -> str:
    return f"run {how_to_run('generate_synthetic')} --output {root} --overwrite"


class SyntheticRecords:
    """One set (train, validation or test) of a folder that generate_synthetic.py wrote.

    `records[i]` is (image uint8 (H, W), keypoints float32 (N, 2) xy, primitive). Opening reads every file once, to
    compare its SHA-256 with the manifest and to find where each picture begins. Raises FileNotFoundError or
    RecordError. An open set can be sent to worker processes.
    """

    def __init__(self, root: str, split: str) -> None:
        self.root, self.split = root, split
        self.manifest = read_record_manifest(root)
        files = [entry for entry in self.manifest["files"] if entry["split"] == split]
        if not files:
            splits = sorted({entry["split"] for entry in self.manifest["files"]})
            raise RecordError(f"{root}: holds no {split!r} set, only {', '.join(splits) or 'none'}; {_remedy(root)}")
        self._paths = [storage.join(root, entry["file"]) for entry in files]
        spans = [_verified_spans(root, entry) for entry in files]
        self._spans = np.concatenate(spans)  # (pictures, 2): offset and length of each Example in its file
        self._file_starts = np.cumsum([0, *(len(part) for part in spans)])
        self._descriptors: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._spans)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of the {len(self)} in {self.root} ({self.split})")
        file = int(np.searchsorted(self._file_starts, index, side="right")) - 1
        offset, length = (int(value) for value in self._spans[index])
        content = operating_system.read_at(self._descriptor(file), length, offset)
        image, keypoints, primitive, _ = decode_sample(content)
        return image, keypoints, primitive

    def _descriptor(self, file: int) -> int:
        if file not in self._descriptors:
            self._descriptors[file] = operating_system.open_descriptor(self._paths[file])
        return self._descriptors[file]

    def close(self) -> None:
        """Close the files; they open again when needed."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def __del__(self) -> None:
        if hasattr(self, "_descriptors"):
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}}


def _verified_spans(root: str, entry: dict[str, Any]) -> np.ndarray:
    """Return offset and length (pictures, 2) of each Example of a file whose content is what the manifest says."""
    path = storage.join(root, entry["file"])
    try:
        content = storage.read_bytes(path)
    except FileNotFoundError as error:
        raise RecordError(f"{path}: named in the manifest but missing; {_remedy(root)}") from error
    if storage.sha256(content) != entry["sha256"]:
        raise RecordError(f"{path}: damaged (its SHA-256 is not the manifest's); {_remedy(root)}")
    spans, position = [], 0
    while position < len(content):
        length = int.from_bytes(content[position : position + _LENGTH_BYTES], "little")
        position += _LENGTH_BYTES + _CRC_BYTES
        spans.append((position, length))
        position += length + _CRC_BYTES
    return np.array(spans, np.int64).reshape(-1, 2)
