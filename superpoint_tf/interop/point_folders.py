"""Which file of points belongs to which photograph: by its path without the suffix, or by its bare name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from superpoint_tf.interop.point_files import SUFFIXES


def list_point_files(folder: str) -> list[str]:
    """Return the files of points below a folder, relative to it, sorted; raises FileNotFoundError if there is none."""
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        there = f"looked for {', '.join(SUFFIXES)}"
        if not Path(folder).is_dir():
            there = "it is a file: name the folder that it lies in" if Path(folder).exists() else "it does not exist"
        raise FileNotFoundError(f"no files of points in {folder} ({there})")
    return found


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
                f"{file}: of {candidates[0]} or of {candidates[1]}? name it {candidates[0]}{Path(file).suffix}"
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
