"""Patches in HPatches' layout: a folder a sequence, strips of 65x65 patches below each other (Balntas et al. 2017).

Row i of each strip of a sequence shows the same point: `ref.png` in image 1, `e1.png` .. `e5.png` in the others with
easy geometric noise, `h1.png` .. with hard, `t1.png` .. with tough noise. There may be fewer images or kinds of noise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.data.photographs.reading import PhotographError, read_photograph
from superpoint_tf.geometry.patches import resize_patches
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath

SIDE_PX = 65
REFERENCE = "ref"
NOISES = {"e": "easy", "h": "hard", "t": "tough"}  # by the first letter of a strip
_STRIP = re.compile(rf"[{''.join(NOISES)}](\d+)")
_LAYOUT = "expected HPatches' layout: DIR/<sequence>/ref.png, e1.png, ..., h1.png, ..., t1.png, ..."


@dataclass(frozen=True)
class StripSequence:
    """One folder: which strips it has; their patches are read when asked for."""

    folder: AnyPath
    targets: tuple[str, ...]  # e1, e2, ..., in that order
    num_points: int

    @property
    def name(self) -> str:
        """Return the folder's name, such as v_graf."""
        return self.folder.name

    def read(self, strip: str) -> np.ndarray:
        """Return the patches of `ref` or of a target, uint8 (num_points, 65, 65); raises ValueError naming the file."""
        patches = _read_strip(self.folder / f"{strip}.png")
        if len(patches) != self.num_points:
            path = self.folder / f"{strip}.png"
            raise ValueError(f"{path}: {len(patches)} patches, ref.png has {self.num_points}; copy the sequence again")
        return patches


def find_strips(root: str | AnyPath) -> list[StripSequence]:
    """Return the sequences below `root` by name: folders with ref.png.

    Raises ValueError naming the folder or file for a missing root, for no sequence, for a sequence without targets, and
    for a strip that is none.
    """
    root = storage.as_path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; {_LAYOUT}")
    folders = sorted(path.parent for path in root.glob(f"*/{REFERENCE}.png"))
    if not folders:
        raise ValueError(f"{root}: no folder in it holds ref.png; {_LAYOUT}")
    return [_sequence(folder) for folder in folders]


def read_points(sequences: Sequence[StripSequence], side_px: int = SIDE_PX) -> PointPatches:
    """Read all patches of sequences, resized by area; a point is a row of a sequence, numbered through all of them."""
    patches, points, sources = [], [], []
    first = 0
    for number, sequence in enumerate(sequences):
        for strip in (REFERENCE, *sequence.targets):
            patches.append(resize_patches(sequence.read(strip), side_px))
            points.append(first + np.arange(sequence.num_points))
            sources.append(np.full(sequence.num_points, number))
        first += sequence.num_points
    names = tuple(sequence.name for sequence in sequences)
    return PointPatches.of(np.concatenate(patches), np.concatenate(points), np.concatenate(sources), names)


def _sequence(folder: AnyPath) -> StripSequence:
    names = [path.stem for path in folder.glob("*.png")]
    targets = sorted((name for name in names if _STRIP.fullmatch(name)), key=lambda name: (name[0], int(name[1:])))
    if not targets:
        raise ValueError(f"{folder}: ref.png without e1.png, h1.png or t1.png; {_LAYOUT}")
    return StripSequence(folder, tuple(targets), len(_read_strip(folder / f"{REFERENCE}.png")))


def _read_strip(path: AnyPath) -> np.ndarray:
    try:
        strip = read_photograph(path)
    except PhotographError as error:
        raise ValueError(f"{error}; expected a strip of {SIDE_PX}x{SIDE_PX} patches") from error
    height, width = strip.shape
    if width != SIDE_PX or height % SIDE_PX:
        size = f"{width}x{height} pixels"
        raise ValueError(f"{path}: {size}; a strip is {SIDE_PX} wide and as high as its number of patches times that")
    return strip.reshape(-1, SIDE_PX, SIDE_PX)
