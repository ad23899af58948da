"""The patches of a folder, whichever of the two layouts it has, and which of them are held out of training."""

from __future__ import annotations

import numpy as np

from superpoint_tf.data.patch_sets.brown import find_brown
from superpoint_tf.data.patch_sets.hpatches_strips import find_strips, read_points
from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.runtime.storage import AnyPath

_HELD_OUT = 20  # one of so many sources, or points


def read_patch_sets(folder: str | AnyPath, side_px: int) -> tuple[PointPatches, PointPatches, str]:
    """Read all patches at or below a folder, resized by area: those to train on, those held out, and which they are.

    Whole sources are held out, Brown's sets or HPatches' sequences, every twentieth by name and the last; of a single
    one the last twentieth of its points. Raises ValueError naming what cannot be read.
    """
    brown = find_brown(folder)
    patches = (
        _joined([each.read_points(side_px) for each in brown]) if brown else read_points(find_strips(folder), side_px)
    )
    names = patches.source_names
    if len(names) > 1:
        first = len(names) - max(1, len(names) // _HELD_OUT)
        return (
            patches.of_rows(patches.sources < first),
            patches.of_rows(patches.sources >= first),
            ", ".join(names[first:]),
        )
    points = np.unique(patches.points)
    border = points[len(points) - max(1, len(points) // _HELD_OUT)]
    note = f"the last {(points >= border).sum()} points of {names[0]}"
    return patches.of_rows(patches.points < border), patches.of_rows(patches.points >= border), note


def _joined(sets: list[PointPatches]) -> PointPatches:
    """Return several sets as one, their points numbered through."""
    points, sources, first = [], [], 0
    for number, each in enumerate(sets):
        points.append(each.points + first)
        sources.append(np.full(len(each.points), number))
        first += int(each.points.max(initial=-1)) + 1
    names = tuple(name for each in sets for name in each.source_names)
    patches = np.concatenate([each.patches for each in sets])
    return PointPatches.of(patches, np.concatenate(points), np.concatenate(sources), names)
