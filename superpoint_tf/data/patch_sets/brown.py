"""Patches in the layout of Brown's sets, liberty, notredame and yosemite (Brown et al. 2011).

`patches0000.bmp`, `patches0001.bmp`, ... hold 16x16 patches of 64x64 each, row by row, the last perhaps fewer;
line i of `info.txt` begins with the number of the physical point that patch i shows. `m50_100000_100000_0.txt` lists
pairs, `patch point unused patch point unused` a line: patches match if their points are equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.data.photographs.reading import PhotographError, read_photograph
from superpoint_tf.geometry.patches import resize_patches
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath

SIDE_PX = 64
_A_SIDE = 16  # patches of a picture
_A_PICTURE = _A_SIDE**2
_LAYOUT = "expected Brown's layout: patches0000.bmp, ..., info.txt, m50_100000_100000_0.txt"


@dataclass(frozen=True)
class PatchPairs:
    """Pairs of patches of one set."""

    indices: np.ndarray  # int64 (M, 2)
    matches: np.ndarray  # bool (M,): both show one point


@dataclass(frozen=True)
class BrownSet:
    """One set: the point of each patch; the patches themselves are read when asked for."""

    folder: AnyPath
    points: np.ndarray  # int64 (N,)

    @property
    def name(self) -> str:
        """Return the folder's name, such as liberty."""
        return self.folder.name

    def read(self, indices: np.ndarray, side_px: int = SIDE_PX) -> np.ndarray:
        """Return patches by their numbers (K,), in that order, uint8 (K, S, S), resized by area.

        Each picture is read once. Raises ValueError naming one that is absent or of another size.
        """
        indices = np.asarray(indices, np.int64)
        patches = np.empty((len(indices), side_px, side_px), np.uint8)
        order = np.argsort(indices, kind="stable")
        pictures = indices[order] // _A_PICTURE
        for rows in np.split(order, np.flatnonzero(np.diff(pictures)) + 1):
            if len(rows):
                picture = self._picture(int(indices[rows[0]]) // _A_PICTURE)
                patches[rows] = resize_patches(picture[indices[rows] % _A_PICTURE], side_px)
        return patches

    def read_points(self, side_px: int = SIDE_PX) -> PointPatches:
        """Read all patches: at 64 px 1.8 to 2.6 GB of the real sets, at 32 a quarter."""
        patches = self.read(np.arange(len(self.points)), side_px)
        return PointPatches.of(patches, self.points, np.zeros(len(self.points), np.int64), (self.name,))

    def read_pairs(self, path: str | AnyPath | None = None) -> PatchPairs:
        """Read a file of pairs, by default the one of 100,000 (else the largest m50_*); raises ValueError naming it."""
        path = storage.as_path(path) if path else self._largest_pairs()
        rows = _read_numbers(path, columns=6)
        indices, points = rows[:, [0, 3]], rows[:, [1, 4]]
        outside = (indices < 0) | (indices >= len(self.points))
        for line in np.flatnonzero(outside.any(axis=1)):
            there = f"patches {indices[line].tolist()} of {len(self.points)}"
            raise ValueError(f"{path}, line {line + 1}: {there}; is it another set's?")
        for line in np.flatnonzero((self.points[indices] != points).any(axis=1)):
            own = f"info.txt has points {self.points[indices[line]].tolist()}"
            raise ValueError(f"{path}, line {line + 1}: points {points[line].tolist()}, {own}; is it another set's?")
        return PatchPairs(indices, points[:, 0] == points[:, 1])

    def _largest_pairs(self) -> AnyPath:
        found = sorted(self.folder.glob("m50_*_0.txt"), key=storage.size_of)
        if not found:
            raise ValueError(f"{self.folder}: no m50_*_0.txt, the pairs to be told apart; {_LAYOUT}")
        return found[-1]

    def _picture(self, number: int) -> np.ndarray:
        path = self.folder / f"patches{number:04d}.bmp"
        try:
            picture = read_photograph(path)
        except PhotographError as error:
            raise ValueError(f"{error}; {_LAYOUT}") from error
        side = _A_SIDE * SIDE_PX
        if picture.shape != (side, side):
            size = f"{picture.shape[1]}x{picture.shape[0]} pixels"
            raise ValueError(f"{path}: {size}; expected {side}x{side}, 16x16 patches of {SIDE_PX}x{SIDE_PX}")
        grid = picture.reshape(_A_SIDE, SIDE_PX, _A_SIDE, SIDE_PX)
        return grid.transpose(0, 2, 1, 3).reshape(_A_PICTURE, SIDE_PX, SIDE_PX)


def open_brown(folder: str | AnyPath) -> BrownSet:
    """Open a set; raises ValueError naming the file and line that cannot be used."""
    folder = storage.as_path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; {_LAYOUT}")
    points = _read_numbers(folder / "info.txt", columns=1)[:, 0]
    there = len(list(folder.glob("patches[0-9][0-9][0-9][0-9].bmp")))
    needed = -(-len(points) // _A_PICTURE)
    if there < needed:
        listed = f"info.txt lists {len(points)} patches, {needed} pictures"
        raise ValueError(f"{folder}: {there} pictures patches*.bmp, {listed}; unpack the set again")
    return BrownSet(folder, points)


def find_brown(root: str | AnyPath) -> list[BrownSet]:
    """Return the sets at or below a folder, by name: those with info.txt; perhaps none."""
    root = storage.as_path(root)
    folders = [root, *(path.parent for path in storage.matching(root, "*/info.txt"))] if root.is_dir() else []
    return [open_brown(folder) for folder in folders if (folder / "info.txt").is_file()]


def _read_numbers(path: AnyPath, columns: int) -> np.ndarray:
    """Return the first integers of each line, int64 (N, columns); raises ValueError naming the line."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as text ({error}); {_LAYOUT}") from error
    numbers = np.empty((len(lines), columns), np.int64)
    for number, line in enumerate(lines):
        try:
            numbers[number] = [int(word) for word in line.split(maxsplit=columns)[:columns]]
        except ValueError as error:
            said = f"{columns} integers" if columns > 1 else "the number of a point"
            raise ValueError(f"{path}, line {number + 1}: {line[:40]!r}; expected {said}") from error
    if not len(lines):
        raise ValueError(f"{path}: empty; {_LAYOUT}")
    return numbers
