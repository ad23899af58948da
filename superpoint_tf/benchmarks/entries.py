"""What a benchmark measures: entries with their limits and marks, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.timing import Timing

FORMAT = 1
COLUMNS = ("name", "value", "unit", "spread", "limit", "set by", "fraction", "mark", "peak MB", "note")
ABSENT = "-"
_LEFT = ("name", "unit", "set by", "mark", "note")


@dataclass(frozen=True)
class Mark:
    """What an entry is expected to reach: a number its value, or its fraction of the limit, is compared with."""

    of: str  # "value" or "fraction"
    at_least: float = -math.inf
    at_most: float = math.inf

    def __str__(self) -> str:
        sign, number = (">=", self.at_least) if math.isfinite(self.at_least) else ("<=", self.at_most)
        return f"{self.of} {sign} {number:g}"


@dataclass(frozen=True)
class Entry:
    """One measured figure."""

    name: str
    value: float
    unit: str
    limit: float | None = None  # in the same unit, measured in the same run
    limit_name: str = ""
    mark: Mark | None = None
    peak_bytes: float | None = None  # memory
    note: str = ""
    timing: Timing | None = None
    items: float = 1.0  # a timed call: value = items / median seconds, where the value is a rate
    details: Mapping[str, Any] = field(default_factory=dict)  # figures for the JSON alone

    @property
    def fraction(self) -> float | None:
        """Return value / limit."""
        return self.value / self.limit if self.limit else None

    @property
    def met(self) -> bool | None:
        """Tell whether the mark is met; None without one."""
        measured = self.value if self.mark is None or self.mark.of == "value" else self.fraction
        if self.mark is None or measured is None:
            return None
        return self.mark.at_least <= measured <= self.mark.at_most

    def as_json(self) -> dict[str, Any]:
        """Return everything known of the entry, each repeat included, as JSON values."""
        result = {key: value for key, value in asdict(self).items() if key not in ("mark", "timing")}
        result |= {"fraction": self.fraction, "mark": str(self.mark) if self.mark else None, "met": self.met}
        if self.timing:
            result["seconds"] = list(self.timing.seconds)
            result["median_s"], result["quartiles_s"] = self.timing.median, list(self.timing.quartiles)
        return result


def rate_entry(name: str, timing: Timing, items: float, unit: str, **rest: Any) -> Entry:
    """Return an entry for `items` handled by each timed call, per second."""
    return Entry(name, items / timing.median, unit, timing=timing, items=items, **rest)


def convolution_entry(name: str, timing: Timing, items: float, unit: str, flops: float, limits: Limits) -> Entry:
    """Return the rate of `items` of `flops` operations each, against what the matrix-multiply peak allows."""
    achieved = flops * items / timing.median
    return rate_entry(
        name,
        timing,
        items,
        unit,
        limit=limits.matmul_flops / flops,
        limit_name="matmul peak",
        note=f"{format_number(achieved / 1e9)} GFLOP/s",
        details={"flops_per_item": flops, "gflops": achieved / 1e9},
    )


def copying_entry(name: str, timing: Timing, items: float, unit: str, moved: float, rate: float, **rest: Any) -> Entry:
    """Return the rate of `items` of `moved` bytes (read and written) each, against a copy at `rate` bytes/s."""
    limit = rate / moved
    return rate_entry(name, timing, items, unit, limit=limit, limit_name="memory copy", **rest)


def format_entries(entries: Sequence[Entry]) -> str:
    """Return entries as an aligned table; a dash where there is nothing to say."""
    cells = [_cells(entry) for entry in entries]
    columns = [column for column in COLUMNS if column == "name" or any(row[column] != ABSENT for row in cells)]
    widths = {column: max(len(column), *(len(row[column]) for row in cells)) for column in columns}
    rows = [{column: column for column in columns}, *cells]
    lines = [
        "  ".join(
            row[column].ljust(widths[column]) if column in _LEFT else row[column].rjust(widths[column])
            for column in columns
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * (sum(widths.values()) + 2 * (len(columns) - 1)), *lines[1:]])


def _cells(entry: Entry) -> dict[str, str]:
    verdict = "" if entry.met is None else (" met" if entry.met else " MISSED")
    return {
        "name": entry.name,
        "value": format_number(entry.value),
        "unit": entry.unit,
        "spread": f"{entry.timing.spread:.0%}" if entry.timing else ABSENT,
        "limit": format_number(entry.limit),
        "set by": entry.limit_name or ABSENT,
        "fraction": _format_fraction(entry.fraction),
        "mark": f"{entry.mark}{verdict}" if entry.mark else ABSENT,
        "peak MB": ABSENT if entry.peak_bytes is None else format_number(entry.peak_bytes / 1e6),
        "note": entry.note or ABSENT,
    }


def _format_fraction(fraction: float | None) -> str:
    if fraction is None:
        return ABSENT
    return f"{fraction:.1g}" if fraction < 0.01 else f"{fraction:.2f}"


def format_number(value: float | None) -> str:
    """Return a number with three digits that matter, thousands apart; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
