"""What a run of `tools/evaluate.py` found, as data that console, Markdown, report and files are drawn from.

Whoever draws an `Evaluation` needs to know no protocol, and a protocol needs to know no file format.
"""

from __future__ import annotations

import abc
import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.evaluation.measures import Column
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import Group
from superpoint_tf.runtime import storage

Row = dict[str, float | str]


@dataclass(frozen=True)
class Table:
    """Rows under columns; the first column names the row, and what a row lacks is shown as absent.

    Rows of one `group` follow each other and stand under its name, with the number of its `pairs` if they have it.
    """

    columns: Mapping[str, Column]  # by the key of a row's values
    rows: Sequence[Row]
    title: str = ""
    note: str = ""  # of the report, below the title
    groups: Mapping[str, Group] = field(default_factory=dict)  # what the report says of a group besides its name
    names_group: bool = False  # also where there is one group alone


@dataclass(frozen=True)
class Figure:
    """A plot, uint8 BGR."""

    stem: str  # of its file
    picture: np.ndarray
    caption: str


@dataclass(frozen=True)
class Example:
    """One picture for the report: what it shows and the picture itself, uint8 BGR."""

    title: str
    picture: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """All that a run found: each medium has its tables, in order."""

    protocol: str  # its name: hpatches, synthetic, ...
    facts: Mapping[str, Any]  # data folder, seed, versions, command: whatever a reader needs to repeat the run
    methods: Mapping[str, Mapping[str, Any]]  # identity of each, by the name of its row
    settings: Mapping[str, PairProtocol]  # by name, such as 240x320
    values: Mapping[str, Any]  # the rest of summary.json
    lines: Mapping[str, Sequence[Row]]  # of each CSV file, by its name
    console: Sequence[Table] = ()
    markdown: Sequence[Table] = ()
    report: Sequence[Table] = ()  # none: there is no page
    sequences: Sequence[Table] = ()  # of the report: folded, a row a sequence and a column a method
    title: str = ""  # of the report
    measured: str = ""  # how much, in a sentence
    note: str = ""  # how to read the tables
    definitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # folded, by heading: what words mean
    figures: Sequence[Figure] = ()
    examples: Sequence[Example] = ()

    def save(self, folder: str | Path) -> None:
        """Write summary.json and the CSV files into a folder."""
        summary = {
            "protocol": self.protocol,
            **self.facts,
            "methods": self.methods,
            "settings": {name: asdict(protocol) for name, protocol in self.settings.items()},
            **self.values,
        }
        storage.write_json(f"{folder}/summary.json", without_nan(summary))
        for name, lines in self.lines.items():
            storage.write_bytes(f"{folder}/{name}", csv_bytes(lines))


class Measured(abc.ABC):
    """What a protocol measured: it turns into tables at once, and into pictures in a while."""

    @abc.abstractmethod
    def evaluation(self) -> Evaluation:
        """Return all tables, without figures and examples."""

    def figures(self) -> Sequence[Figure]:
        """Return the plots."""
        return ()

    def examples(self) -> Sequence[Example]:
        """Return pictures worth a look."""
        return ()


def group_counts(rows: Iterable[Row]) -> dict[str, int]:
    """Return the number of pairs of each group, in the order of the rows."""
    return {str(row["group"]): int(row["pairs"]) for row in rows}


def counted(number: int, what: str) -> str:
    """Return `1 pair`, `2 pairs`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def without_nan(value: Any) -> Any:
    """Return nested values with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, list | tuple) else value


def csv_bytes(lines: Iterable[Mapping[str, float | str]]) -> bytes:
    """Return lines as CSV with one column for each key that any line has; what a line lacks is empty."""
    lines = list(lines)
    columns = list(dict.fromkeys(key for line in lines for key in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({key: _csv_value(value) for key, value in line.items()})
    return text.getvalue().encode()


def _csv_value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
