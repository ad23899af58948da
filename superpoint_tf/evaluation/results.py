"""What one run of `tools/evaluate.py` measured, and its files: summary.json, pairs.csv, pictures.csv."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.evaluation.comparison import Difference, paired_differences
from superpoint_tf.evaluation.measures import PairProtocol, PairResult, summarize
from superpoint_tf.runtime import storage

Row = dict[str, float | str]
ByCondition = dict[str, dict[str, dict[str, float]]]  # condition (clean, noisy), method, primitive; `all` pools them
UNINFORMATIVE_GROUP = "i"  # most of its homographies are the identity
EXCHANGED = ", x and y exchanged"  # ends the name of a group: the pairs of the group before it, seen so
GROUP_ORDER = ("v", "i shifted", "", UNINFORMATIVE_GROUP)  # to read them in; "" is any other group


@dataclass(frozen=True)
class Example:
    """One picture for the report: what it shows and the picture itself, uint8 BGR."""

    title: str
    picture: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """What changes from `first` to `second` in a group of pairs; each is the name of a row, or says how pairs are."""

    first: str
    second: str
    group: str
    differences: list[Difference]


@dataclass(frozen=True)
class PairsEvaluation:
    """The methods on the pairs of one set, at each setting."""

    protocol: str  # hpatches or random-homography
    facts: dict[str, Any]  # data folder, seed, versions, command: whatever a reader needs to repeat the run
    methods: dict[str, dict[str, Any]]  # identity of each, by the name of its row
    settings: dict[str, PairProtocol]  # by name, such as 240x320
    results: dict[str, list[PairResult]]  # by setting; every method on every pair
    budgets: dict[str, dict[int, list[PairResult]]] = field(default_factory=dict)  # by setting and smaller budget
    compared: Sequence[tuple[str, str]] = ()  # two rows each

    def rows(self, setting: str) -> list[Row]:
        """Return the averages of each group and method at a setting; first the groups that tell methods apart."""
        return sorted(summarize(self.results[setting]), key=lambda row: GROUP_ORDER.index(_place(str(row["group"]))))

    def budget_rows(self, setting: str) -> list[Row]:
        """Return the averages of each group and method at each budget, the whole one included, with its `budget`."""
        by_budget = {**self.budgets.get(setting, {}), self.settings[setting].max_keypoints: self.results[setting]}
        return [{**row, "budget": float(k)} for k, results in sorted(by_budget.items()) for row in summarize(results)]

    def comparisons(self, setting: str) -> list[Comparison]:
        """Return what was asked to be compared, pair by pair, at a setting; and each method under exchanged axes."""
        groups = list(dict.fromkeys(str(row["group"]) for row in self.rows(setting)))
        values: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
        for result in self.results[setting]:
            values.setdefault((result.method, result.group), {})[result.pair] = result.values
        between_rows = [
            Comparison(first, second, group, paired_differences(values[first, group], values[second, group]))
            for first, second in self.compared
            for group in groups
        ]
        return between_rows + [
            Comparison(
                method, method + EXCHANGED, group, paired_differences(values[method, group], values[method, exchanged])
            )
            for method in self.methods
            for group, exchanged in [(group, group + EXCHANGED) for group in groups]
            if exchanged in groups
        ]

    def save(self, folder: str | Path) -> None:
        """Write summary.json and pairs.csv into a folder."""
        comparisons = {name: [comparison_row(c) for c in self.comparisons(name)] for name in self.settings}
        summary = {
            "protocol": self.protocol,
            **self.facts,
            "methods": self.methods,
            "settings": {name: asdict(protocol) for name, protocol in self.settings.items()},
            **({"comparisons": comparisons} if any(comparisons.values()) else {}),
            "rows": {name: self.rows(name) for name in self.settings},
            "sequences": {name: summarize(self.results[name], by_sequence=True) for name in self.settings},
            "budgets": {name: self.budget_rows(name) for name in self.settings},
        }
        storage.write_json(f"{folder}/summary.json", without_nan(summary))
        storage.write_bytes(f"{folder}/pairs.csv", csv_bytes(self._pair_lines()))

    def _pair_lines(self) -> Iterable[Row]:
        for setting, results in self.results.items():
            for result in results:
                names: Row = {"setting": setting, "group": result.group, "sequence": result.sequence}
                yield {**names, "pair": result.pair, "method": result.method, **result.values}


@dataclass(frozen=True)
class ShapesEvaluation:
    """Detectors on synthetic shapes whose corners are known."""

    facts: dict[str, Any]
    protocol: PairProtocol
    methods: dict[str, dict[str, Any]]
    precision: ByCondition  # average precision
    localization_px: ByCondition
    pictures: Sequence[Row] = ()  # one a picture: condition, primitive, picture, method, keypoints, corners, found

    def save(self, folder: str | Path) -> None:
        """Write summary.json and pictures.csv into a folder."""
        summary = {
            "protocol": "synthetic",
            **self.facts,
            "methods": self.methods,
            "settings": {"shapes": asdict(self.protocol)},
            "average_precision": self.precision,
            "localization_px": self.localization_px,
        }
        storage.write_json(f"{folder}/summary.json", without_nan(summary))
        storage.write_bytes(f"{folder}/pictures.csv", csv_bytes(self.pictures))


def comparison_row(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as summary.json has it."""
    differences = {d.value: {**asdict(d), "significant": d.significant} for d in comparison.differences}
    return {**asdict(comparison), "differences": differences}


def _place(group: str) -> str:
    return group if group in GROUP_ORDER else ""


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
