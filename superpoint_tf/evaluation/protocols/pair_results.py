"""What a run over pairs of images measured, and its tables: methods in each group, sequence by sequence, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from superpoint_tf.evaluation.comparison import paired_differences
from superpoint_tf.evaluation.measures import (
    DETECTOR,
    REPORT,
    SEQUENCES,
    TABLES,
    Column,
    definitions,
    shown,
)
from superpoint_tf.evaluation.pair_averages import PairResult, summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import Group
from superpoint_tf.evaluation.protocols.pair_comparisons import (
    Comparison,
    comparison_row,
    comparison_tables,
    comparisons_table,
)
from superpoint_tf.evaluation.report.curves import curve_figures
from superpoint_tf.evaluation.report.report_html import as_text
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE, DASH_NOTE
from superpoint_tf.evaluation.results import Evaluation, Example, Figure, Measured, Row, Table, counted
from superpoint_tf.evaluation.sets.exchange import EXCHANGED
from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS


@dataclass(frozen=True)
class MeasuredPairs(Measured):
    """The methods on the pairs of one set, at each setting."""

    protocol: str  # of PAIR_SETS
    facts: dict[str, Any]
    methods: dict[str, dict[str, Any]]
    settings: dict[str, PairProtocol]
    results: dict[str, list[PairResult]]  # by setting; every method on every pair
    budgets: dict[str, dict[int, list[PairResult]]] = field(default_factory=dict)  # by setting and smaller budget
    compared: Sequence[tuple[str, str]] = ()  # two rows each
    draw_examples: Callable[[], list[Example]] = list

    def rows(self, setting: str) -> list[Row]:
        """Return the averages of each group and method at a setting; first the groups that tell methods apart."""
        groups = PAIR_SETS[self.protocol].groups

        def place(row: Row) -> tuple[bool, int]:
            group = str(row["group"])
            return is_warned_of(row, groups), list(groups).index(group) if group in groups else len(groups)

        return sorted(summarize(self.results[setting]), key=place)

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

    def evaluation(self) -> Evaluation:
        rows = {name: self.rows(name) for name in self.settings}
        sequences = {name: summarize(self.results[name], by_sequence=True) for name in self.settings}
        comparisons = {name: self.comparisons(name) for name in self.settings}
        compared = {name: [comparison_row(c) for c in found] for name, found in comparisons.items()}
        chosen = PAIR_SETS[self.protocol]
        return Evaluation(
            self.protocol,
            self.facts,
            self.methods,
            self.settings,
            {
                **({"comparisons": compared} if any(compared.values()) else {}),
                "rows": rows,
                "sequences": sequences,
                "budgets": {name: self.budget_rows(name) for name in self.settings},
            },
            {"pairs.csv": list(self._pair_lines())},
            console=[
                table
                for name, found in rows.items()
                for table in (
                    Table(_columns(TABLES), found, f"{name}: {_judged(self.settings[name], '; ')}"),
                    *comparison_tables(comparisons[name], name),
                )
            ],
            markdown=[self._markdown_table(rows), *comparisons_table(comparisons)],
            report=[
                Table(_columns(REPORT), rows[name], f"Setting {name}", f"{_judged(protocol, ', ')}.", chosen.groups)
                for name, protocol in self.settings.items()
            ],
            sequences=[
                Table(shown(SEQUENCES), sorted(found, key=lambda r: is_warned_of(r, chosen.groups)), f"Setting {name}")
                for name, found in sequences.items()
                if any(row["sequence"] for row in found)
            ],
            title=chosen.title,
            measured=self._measured(),
            note=f"{BOLD_NOTE} {DASH_NOTE}",
            definitions={"What each column means": definitions(list(self.settings.values()))},
        )

    def figures(self) -> list[Figure]:
        rows = {name: self.rows(name) for name in self.settings}
        budget_rows = {name: self.budget_rows(name) for name in self.settings}
        return curve_figures(self.methods, rows, budget_rows, self.results)

    def examples(self) -> list[Example]:
        return self.draw_examples()

    def _markdown_table(self, rows: Mapping[str, Sequence[Row]]) -> Table:
        """Return the detector's columns at the first setting, all others at the last.

        With the two presets that is repeatability at 240x320 with 300 keypoints, the rest at 480x640 with 1000, as the
        paper reports them.
        """
        first, last = (list(self.settings)[index] for index in (0, -1))
        columns = shown(TABLES)
        of_first = [name for name, measure in columns.items() if measure.needs == DETECTOR]
        found = {(row["group"], row["method"]): {n: row[n] for n in of_first if n in row} for row in rows[first]}
        titles = [
            _listed([measure.title for name, measure in columns.items() if (name in of_first) == at_first])
            for at_first in (True, False)
        ]
        low, high = self.settings[first], self.settings[last]
        title = f"{titles[0]}: {low}. {titles[1]}: {high}. Right within {high.distance_px:g} px."
        merged = [row | found[row["group"], row["method"]] for row in rows[last]]
        return Table({"method": Column(""), **columns}, merged, title, names_group=True)

    def _measured(self) -> str:
        results = next(iter(self.results.values()), [])
        pairs = {(result.group, result.sequence, result.pair) for result in results}
        sequences = {result.sequence for result in results} - {""}
        of_sequences = f" of {counted(len(sequences), 'sequence')}" if sequences else ""
        data = f" on {as_text(self.facts['data'])}" if self.facts.get("data") else ""
        counts = f"{counted(len(pairs), 'pair')}{of_sequences}, {counted(len(self.methods), 'method')}"
        return f"Protocol {self.protocol}{data}: {counts}."

    def _pair_lines(self) -> Iterable[Row]:
        for setting, results in self.results.items():
            for result in results:
                names: Row = {"setting": setting, "group": result.group, "sequence": result.sequence}
                yield {**names, "pair": result.pair, "method": result.method, **result.values}


def is_warned_of(row: Row, groups: Mapping[str, Group]) -> bool:
    """Tell whether a row is of a group that tells methods apart badly."""
    return str(row["group"]) in groups and bool(groups[str(row["group"])].warning)


def _columns(where: str) -> dict[str, Column]:
    return {"method": Column("method"), **shown(where)}


def _judged(protocol: PairProtocol, separator: str) -> str:
    return separator.join(
        [str(protocol), f"right within {protocol.distance_px:g} px", f"RANSAC {protocol.ransac_px:g} px"]
    )


def _listed(titles: Sequence[str]) -> str:
    return f"{', '.join(titles[:-1])} and {titles[-1]}"
