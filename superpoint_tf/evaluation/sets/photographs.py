"""The photographs that a folder stands for."""

from __future__ import annotations

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs, list_photographs
from superpoint_tf.runtime import storage


def photograph_paths(root: str) -> list[str]:
    """Return the photographs below a folder, of `bundled` those of scikit-image; raises ValueError or OSError."""
    if root != BUNDLED:
        return [storage.join(root, name) for name in list_photographs(root, remedy="pass another --data")]
    found = find_photographs(PhotographsSection(), BUNDLED)
    return [f"{found.root}/{name}" for name in sorted(found.train + found.validation)]
