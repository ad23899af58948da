"""Which file of points belongs to which photograph: by its path without the suffix, or by its bare name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from superpoint_tf.interop.point_files import SUFFIXES
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath
from superpoint_tf.runtime.stores import StorePath, walk


def list_point_files(folder: str) -> list[str]:
    """Return the files of points below a folder, relative to it, sorted; raises FileNotFoundError if there is none."""
    root = storage.as_path(folder)
    found = sorted(storage.relative(path, root) for path in _files(root))
    if not found:
        there = f"looked for {', '.join(SUFFIXES)}"
        if not root.is_dir():
            there = "it is a file: name the folder that it lies in" if root.exists() else "it does not exist"
        raise FileNotFoundError(f"no files of points in {folder} ({there})")
    return found


def _files(root: AnyPath) -> Iterable[AnyPath]:
    if isinstance(root, StorePath):
        if root.is_dir():
            yield from (path for path in walk(root, _is_name) if _is_name(path.name))
        return
    for path in root.rglob("*"):
        if _is_name(path.name) and path.is_file():
            yield path


def _is_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def pair_files(files: Iterable[str], photographs: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the file of points by photograph, and the files that have none.

    `train/a.npz` and `train/a.jpg.npz` are of `train/a.jpg`; else a bare name that one photograph alone has decides,
    as in the folders of the public pipelines. Raises ValueError naming two files or photographs that claim each other.
    """
    by_path, by_name = _index(photographs, whole=True), _index(photographs, whole=False)
    pairs: dict[str, str] = {}
    alone = []
    for file in files:
        stem = PurePosixPath(file).with_suffix("")
        candidates = by_path.get(str(stem)) or by_name.get(stem.name) or []
        if len(candidates) > 1:
            raise ValueError(
                f"{file}: of {candidates[0]} or of {candidates[1]}? name it {candidates[0]}{PurePosixPath(file).suffix}"
            )
        if not candidates:
            alone.append(file)
        elif candidates[0] in pairs:
            raise ValueError(f"{candidates[0]} has points in {pairs[candidates[0]]} and in {file}; remove one of them")
        else:
            pairs[candidates[0]] = file
    return pairs, alone


def _index(photographs: Sequence[str], whole: bool) -> dict[str, list[str]]:
    """Return the photographs by what a file of theirs is called, with its folder or without."""
    found: dict[str, list[str]] = {}
    for name in photographs:
        path = PurePosixPath(name)
        shown = path if whole else PurePosixPath(path.name)
        found.setdefault(str(shown), []).append(name)
        found.setdefault(str(shown.with_suffix("")), []).append(name)
    return found
