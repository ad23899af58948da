"""Systems that look at a whole picture."""

from __future__ import annotations

from .system import MAPS, DenseSpec, System

_PAPER = "DeTone et al., SuperPoint, CVPR Workshops 2018"

SUPERPOINT_SYSTEMS = {
    "magicpoint": System(_PAPER, DenseSpec("cells", descriptor=False), "detector", ("cross_entropy",), MAPS),
    "superpoint": System(_PAPER, DenseSpec("cells", descriptor=True), "joint", ("hinge", "doubly_normalized"), MAPS),
}
