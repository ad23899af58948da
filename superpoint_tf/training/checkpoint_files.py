"""The names of a run's checkpoints, and which are there; without TensorFlow."""

from __future__ import annotations

import re
from pathlib import Path

NAME = "latest"
OWN_FILES = re.compile(rf"{NAME}-\d+(\..+|_temp)|checkpoint\..+")  # of a checkpoint, whole or not; of their list
_INDEX = re.compile(rf"{NAME}-(\d+)\.index")


def written_steps(folder: Path) -> list[int]:
    """Return the steps whose checkpoint's last file is there, newest first; TensorFlow's own list may be behind."""
    found = [_INDEX.fullmatch(path.name) for path in folder.glob("*.index")]
    return sorted((int(match[1]) for match in found if match), reverse=True)


def newest_step(folder: Path) -> int:
    """Return the step of the newest checkpoint, 0 if there is none."""
    return next(iter(written_steps(folder)), 0)
