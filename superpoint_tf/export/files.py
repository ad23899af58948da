"""One file of any format: written under a temporary name, loaded by its own runtime, and given its name."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from superpoint_tf.export.form import ORIGIN_FILE
from superpoint_tf.export.formats import FORMATS
from superpoint_tf.export.graph import Graph, Run
from superpoint_tf.export.request import Request
from superpoint_tf.runtime import operating_system, storage
from superpoint_tf.runtime.quiet import held_back


def write_file(
    request: Request, graph: Graph, path: str | Path, calibration: Iterable[np.ndarray], origin: dict[str, str]
) -> None:
    """Convert a graph and write it at `path`, without looking at what came out."""
    with held_back():  # the converters' C++ code has no setting to be quiet
        FORMATS[request.format].runtime().write(graph, path, request.precision, calibration, origin)


def open_file(format_name: str, path: str | Path, threads: int) -> Run:
    """Load a file by its own runtime."""
    return FORMATS[format_name].runtime().load(path, threads)


def measure_size(path: str | Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    path = Path(path)
    files = [path] if path.is_file() else [below for below in path.rglob("*") if below.is_file()]
    return sum(file.stat().st_size for file in files)


@contextlib.contextmanager
def staged(output: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `output`; what is there becomes `output` at the end, and is deleted after an error.

    A folder of that name, an earlier SavedModel, is replaced; see `request.check_output` for what is refused before.
    What killed exports of this name left is deleted first. Raises WriteError if the disk refuses.
    """
    output = Path(output)
    temporary = output.with_name(f"{output.name}.{secrets.token_hex(4)}{storage.TEMPORARY_SUFFIX}")
    with storage.writing(output):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        storage.remove_unfinished_of(output)
    try:
        yield temporary
        with storage.writing(output):
            if output.is_dir():
                storage.remove_tree(output, ORIGIN_FILE)
            operating_system.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):  # what went wrong before matters more
            temporary.unlink(missing_ok=True)
