"""Where the labels of a folder lie: in the archives of chunks, or, in folders of before, each in a file of its own."""

from __future__ import annotations

import re
from typing import NamedTuple

from superpoint_tf.runtime import storage

LABEL_SUFFIX = ".npz"
_ARCHIVED = re.compile(r"(.*/round_\d+/\d{6,}\.zip)/(.+)" + re.escape(LABEL_SUFFIX), re.DOTALL)


class LabelPlace(NamedTuple):
    """Where the label of a photograph lies: in a file, or in a row of a chunk, whose index tells the photograph."""

    path: str  # label file, or archive of a chunk
    photograph: str = ""  # below the image root; "": the chunk's index knows
    row: int = -1  # of the chunk


def archive_path(root: str, round: int, chunk: int) -> str:
    """Return where the labels of a chunk of photographs lie in a round: a ZIP archive of label files."""
    return storage.join(root, f"round_{round}", f"{chunk:06d}.zip")


def index_path(archive: str) -> str:
    """Return where the index of a chunk's archive lies."""
    return archive.removesuffix(".zip") + ".index.npz"


def archived_path(archive: str, photograph: str) -> str:
    """Return the path of a label in an archive, as if the archive were a folder."""
    return f"{archive}/{photograph}{LABEL_SUFFIX}"


def split_archived(path: str) -> tuple[str, str]:
    """Return archive and photograph of such a path; two empty strings for a label file of its own."""
    found = _ARCHIVED.fullmatch(str(path))
    return (found[1], found[2]) if found else ("", "")
