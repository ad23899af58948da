"""The folder of synthetic sets: which files it has, which are finished, and whether the present settings made them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import config_to_dict
from superpoint_tf.config.differences import differences
from superpoint_tf.data.shapes.record_reader import SCHEMA_VERSION, manifest_path
from superpoint_tf.data.shapes.synthetic_sets import SPLITS, drawn_primitives, split_size
from superpoint_tf.runtime import storage

PICTURES_PER_FILE = 1000  # a killed run loses at most the file it was at
CONTACT_SHEET = "contact_sheet.png"
_SINGLE_FILES = ("manifest.json", "plan.json", CONTACT_SHEET)
_UNFINISHED_SINGLE_FILES = tuple(f"{name}.*{storage.TEMPORARY_SUFFIX}" for name in _SINGLE_FILES)


class RecordFolderError(ValueError):
    """A folder that cannot be written to under the present settings; the message names difference and remedy."""


@dataclass(frozen=True)
class RecordFile:
    """One file of a set: pictures `first` to `first + pictures - 1`."""

    name: str
    split: str
    first: int
    pictures: int


def list_record_files(config: Config) -> list[RecordFile]:
    """Return the files of all three sets; they depend on the numbers of pictures alone."""
    result = []
    for split in SPLITS:
        size = split_size(config, split)
        firsts = range(0, size, PICTURES_PER_FILE)
        for i, first in enumerate(firsts):
            name = f"{split}-{i:05d}-of-{len(firsts):05d}.tfrecord"
            result.append(RecordFile(name, split, first, min(PICTURES_PER_FILE, size - first)))
    return result


def record_settings(config: Config) -> dict[str, Any]:
    """Return everything that decides about the bytes of the files, as it stands in the manifest."""
    draw = config.synthetic.draw
    used = {name: draw.weight(name) for name in drawn_primitives(draw)}
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": config.seed,
        "pictures": {split: split_size(config, split) for split in SPLITS},
        "draw": {**config_to_dict(draw), "primitives": list(used), "frequencies": used},
    }


class RecordFolder:
    """The files under `root` and what is known of them; several shards may work on one folder at once."""

    def __init__(self, root: str, config: Config) -> None:
        if storage.is_remote(root):
            raise RecordFolderError(f"{root}: synthetic sets are read at random and must lie on a disk; pass a folder")
        self.root = root
        self.files = list_record_files(config)
        self._settings = record_settings(config)
        self._plan = storage.join(root, "plan.json")  # settings of a folder that is not finished yet

    def path(self, file: RecordFile) -> str:
        """Return where a file lies."""
        return storage.join(self.root, file.name)

    def prepare(self, shard: tuple[int, int], overwrite: bool) -> None:
        """Claim the folder for the present settings.

        Raises RecordFolderError if it was made under others, unless `overwrite`; then what it held is deleted. Raises
        WriteError if the disk refuses.
        """
        with storage.writing(self.root):
            self._claim(shard, overwrite)

    def _claim(self, shard: tuple[int, int], overwrite: bool) -> None:
        if Path(self.root).exists() and not Path(self.root).is_dir():
            raise RecordFolderError(f"{self.root} is a file; pass --output FOLDER")
        changed = self._differences()
        if changed and not overwrite:
            raise RecordFolderError(
                f"{self.root} holds sets made with other settings ({'; '.join(changed)}); "
                "pass --overwrite to replace them, or another --output"
            )
        if changed and shard[0] > 0:
            raise RecordFolderError(f"{self.root} holds sets made with other settings: start shard 0 first to clear it")
        if changed:
            self._clear()
        elif overwrite:
            for file in self.files[shard[0] :: shard[1]]:
                self.discard(file)
        if not self.is_claimed():
            storage.write_json(self._plan, self._settings)

    def is_claimed(self) -> bool:
        """Tell whether the folder has a plan, or a manifest where it is finished."""
        return any(Path(path).exists() for path in (manifest_path(self.root), self._plan))

    def _differences(self) -> list[str]:
        for path in (manifest_path(self.root), self._plan):
            try:
                before = storage.read_json(path)
            except FileNotFoundError:
                continue
            except ValueError:
                return [f"{path} cannot be read"]
            if not isinstance(before, dict):
                return [f"{path} is not a manifest"]
            return differences(before, self._settings, ignore=("files",))
        return []

    def _clear(self) -> None:
        """Delete what this tool writes, and nothing else that somebody may keep here."""
        self._unlink(*(f"{split}-*-of-*.tfrecord*" for split in SPLITS), *_SINGLE_FILES, *_UNFINISHED_SINGLE_FILES)

    def _unlink(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in Path(self.root).glob(pattern):
                with storage.writing(path):
                    path.unlink(missing_ok=True)

    def discard(self, file: RecordFile) -> None:
        """Delete a file with its record and unfinished forms."""
        self.discard_unfinished(file)
        for path in (self.path(file), self._record_path(file), manifest_path(self.root)):
            with storage.writing(path):
                Path(path).unlink(missing_ok=True)

    def discard_unfinished(self, file: RecordFile) -> None:
        """Delete what a killed run left of a file; other shards may be writing theirs beside it."""
        self._unlink(f"{file.name}*{storage.TEMPORARY_SUFFIX}")

    def _record_path(self, file: RecordFile) -> str:
        return self.path(file) + ".json"

    def record_finished(self, file: RecordFile) -> None:
        """Note the checksum of a file that was just written: from now on it counts as finished."""
        record = {"file": file.name, "split": file.split, "pictures": file.pictures}
        storage.write_json(self._record_path(file), {**record, "sha256": storage.sha256_file(self.path(file))})

    def unfinished(self, files: Sequence[RecordFile]) -> list[RecordFile]:
        """Return those of `files` that are missing or whose content is not what was noted."""
        records = self._records()
        return [file for file in files if not self._is_sound(file, records.get(file.name))]

    def _is_sound(self, file: RecordFile, record: dict[str, Any] | None) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return record is not None and storage.sha256_file(self.path(file)) == record["sha256"]
        return False

    def _records(self) -> dict[str, dict[str, Any]]:
        """Return what was noted of each finished file, by name; in a finished folder the manifest has it."""
        records: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError):
            records += storage.read_json(manifest_path(self.root))["files"]
        for file in self.files:
            with contextlib.suppress(FileNotFoundError):  # not finished, or by now in the manifest
                records.append(storage.read_json(self._record_path(file)))
        return {record["file"]: record for record in records}

    def missing(self) -> list[RecordFile]:
        """Return the files, of any shard, of which nothing is noted yet."""
        records = self._records()
        return [file for file in self.files if file.name not in records]

    def write_manifest(self) -> None:
        """Merge the notes of all files into manifest.json: the folder is finished and may be read."""
        records = self._records()
        files = [records[file.name] for file in self.files]
        storage.write_json(manifest_path(self.root), {**self._settings, "files": files})
        for file in self.files:
            Path(self._record_path(file)).unlink(missing_ok=True)
        self._unlink("plan.json", *_UNFINISHED_SINGLE_FILES)
