"""Files of keypoints that others write: arrays of the public SuperPoint pipelines, text and CSV, as xy and scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from superpoint_tf.runtime import storage

SUFFIXES = (".npz", ".txt", ".csv")
ORDERS = ("xy", "yx")  # yx: row, column
# Arrays by the name of their array and how its columns are ordered unless the user says otherwise.
_ARRAYS = {
    "points": "yx",  # rpautrat/SuperPoint, export_detections.py --pred_only: rows of np.where
    "pts": "xy",  # eric-yyjau/pytorch-superpoint, export.py: x, y, probability
    "keypoints": "xy",
}
_COLUMNS = {  # of a header, by what they hold
    **dict.fromkeys(("x", "column", "col", "u"), "x"),
    **dict.fromkeys(("y", "row", "v"), "y"),
    **dict.fromkeys(("score", "scores", "probability", "prob", "confidence", "response"), "score"),
}
_MAX_FILE_BYTES = 2**28


class PointFileError(ValueError):
    """A file of points that cannot be used; the message names it, the place and the remedy."""


class Points(NamedTuple):
    """The points of one picture."""

    keypoints: np.ndarray  # float64 (N, 2), xy pixels
    scores: np.ndarray  # float64 (N,); 1 where the file has none


def read_points(path: str | Path, order: str = "") -> Points:
    """Read a file of points; `order` is one of ORDERS, or empty: what the file's layout or header says, else xy.

    Raises PointFileError for a file that is damaged, of another layout, or holds what is no number.
    """
    suffix = Path(path).suffix.lower()
    table, order = _read_npz(path, order) if suffix == ".npz" else _read_text(path, order)
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise PointFileError(f"{path}: point {row + 1} is {table[row].tolist()}, expected finite numbers")
    scores = table[:, 2] if table.shape[1] == 3 else np.ones(len(table))
    return Points(table[:, [1, 0]] if order == "yx" else table[:, :2], scores)


def _read_npz(path: str | Path, order: str) -> tuple[np.ndarray, str]:
    try:
        arrays = storage.load_npz(path)
    except ValueError as error:
        raise PointFileError(str(error)) from error
    name = next((name for name in _ARRAYS if name in arrays), None)
    if name is None:
        raise PointFileError(
            f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}; expected an array `points` (N, 2) of rows and "
            "columns, or `pts` or `keypoints` (N, 2 or 3) of x, y and perhaps a score"
        )
    table = arrays[name]
    if table.size == 0:
        return np.zeros((0, 2)), ""
    if table.ndim != 2 or table.shape[1] not in (2, 3) or table.dtype.kind not in "fiu":
        raise PointFileError(f"{path}: `{name}` is {table.dtype} {table.shape}, expected numbers (N, 2) or (N, 3)")
    return table.astype(np.float64), order or _ARRAYS[name]


def _read_text(path: str | Path, order: str) -> tuple[np.ndarray, str]:
    """Read numbers between commas, semicolons or spaces, two or three a line, perhaps below a header."""
    try:
        if storage.size_of(path) > _MAX_FILE_BYTES:
            raise PointFileError(f"{path}: too large to be a list of points")
        text = storage.as_path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PointFileError(f"{path}: not a text file (UTF-8)") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.split("#")[0].strip()]
    rows = [(number, re.split(r"\s*[,;]\s*|\s+", line.split("#")[0].strip())) for number, line in lines]
    header = rows.pop(0)[1] if rows and all(_number(cell) is None for cell in rows[0][1]) else []
    if header and order:
        raise PointFileError(f"{path}: its header names the columns; leave --order out, or take the header away")
    take = _columns(path, header)
    values = [take([_cell(path, number, cell) for cell in cells], number) for number, cells in rows]
    if len({len(row) for row in values}) > 1:
        raise PointFileError(f"{path}: some lines have two numbers and some three; give all of them a score, or none")
    table = np.array(values, np.float64) if values else np.zeros((0, 2))
    return table, order or "xy"


def _columns(path: str | Path, header: Sequence[str]) -> Callable[[list[float], int], list[float]]:
    """Return what takes x, y and perhaps the score from the numbers of a line."""
    if not header:

        def first(numbers: list[float], line: int) -> list[float]:
            if len(numbers) not in (2, 3):
                raise PointFileError(
                    f"{path}, line {line}: {len(numbers)} numbers, expected x y or x y score; name other columns in a "
                    "first line, for example: x,y,size,score"
                )
            return numbers

        return first
    places = {
        _COLUMNS[name.lower().strip('"')]: i for i, name in enumerate(header) if name.lower().strip('"') in _COLUMNS
    }
    if not {"x", "y"} <= places.keys():
        raise PointFileError(
            f"{path}: its first line is {' '.join(header)[:80]!r}; expected columns x and y among them"
        )
    wanted = [places[name] for name in ("x", "y", "score") if name in places]

    def named(numbers: list[float], line: int) -> list[float]:
        if len(numbers) != len(header):
            raise PointFileError(f"{path}, line {line}: {len(numbers)} values below {len(header)} names")
        return [numbers[place] for place in wanted]

    return named


def _cell(path: str | Path, line: int, cell: str) -> float:
    value = _number(cell)
    if value is None:
        raise PointFileError(f"{path}, line {line}: {cell[:40]!r} is no number")
    return value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
