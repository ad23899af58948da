"""What a run of the protocol `pck` measured: methods on each group of pairs, pair by pair, and what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from superpoint_tf.drawing.visualization import draw_matches
from superpoint_tf.evaluation.measures import Column
from superpoint_tf.evaluation.pck_measures import ERROR_OF_10PX, PCK_MEASURES
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE
from superpoint_tf.evaluation.results import Evaluation, Example, Measured, Row, Table
from superpoint_tf.evaluation.sets.dense_pairs import DensePair

_RIGHT_PX = 10.0  # in examples


class PckResult(NamedTuple):
    """What one method said of one pair."""

    group: str
    pair: str
    method: str
    stride_px: float  # of its map
    points: int
    values: dict[str, float]


class PckExample(NamedTuple):
    """Where a method put some points of a pair."""

    method: str
    pair: DensePair  # with these points alone
    found: np.ndarray  # xy (N, 2)

    def draw(self) -> Example:
        """Draw them as matches, right ones within 10 px."""
        count = len(self.found)
        errors = np.linalg.norm(self.found - self.pair.points1[:count], axis=1)
        indices = np.stack([np.arange(count)] * 2, axis=1)
        points = self.pair.points0, self.found
        picture = draw_matches(self.pair.image0, self.pair.image1, *points, indices, errors <= _RIGHT_PX)
        right = f"{(errors <= _RIGHT_PX).sum()} of {count} points within {_RIGHT_PX:g} px"
        return Example(f"{self.method}, {self.pair.group}: {right}", picture)


@dataclass(frozen=True)
class MeasuredDense(Measured):
    """The methods on pairs with known points."""

    facts: dict[str, Any]
    methods: dict[str, dict[str, Any]]
    image_shape: tuple[int, int]
    results: Sequence[PckResult]
    shown: Mapping[str, Sequence[PckExample]]  # by group: of its first pair

    def rows(self) -> list[Row]:
        """Return the means over pairs of each group and method."""
        groups = dict.fromkeys(result.group for result in self.results)
        return [self._row(group, method) for group in groups for method in self.methods]

    def evaluation(self) -> Evaluation:
        rows = self.rows()
        height, width = self.image_shape
        title = f"Dense correspondence at {width} x {height}, nearest descriptor of the whole map"
        columns = {
            "method": Column("method"),
            "stride_px": Column("grid px", 0),
            **PCK_MEASURES,
            ERROR_OF_10PX: Column("s.e. @10", 3),
        }
        return Evaluation(
            "pck",
            self.facts | {"image_shape": list(self.image_shape)},
            self.methods,
            {},
            {"rows": rows},
            {"pairs.csv": [self._line(result) for result in self.results]},
            console=[Table(columns, rows, title, names_group=True)],
            markdown=[Table(columns, rows, title, names_group=True)],
            report=[Table(columns, rows, title, names_group=True)],
            title="Dense correspondence",
            measured=f"{len(self.results) // len(self.methods)} pairs, {len(self.methods)} methods.",
            note=BOLD_NOTE,
            definitions={"What each column means": {m.title: m.meaning for m in PCK_MEASURES.values()}},
        )

    def examples(self) -> Sequence[Example]:
        return [example.draw() for examples in self.shown.values() for example in examples]

    def _row(self, group: str, method: str) -> Row:
        own = [r for r in self.results if (r.group, r.method) == (group, method)]
        means = {name: float(np.mean([r.values[name] for r in own])) for name in PCK_MEASURES}
        spread = np.std([r.values["pck_10px"] for r in own], ddof=1) if len(own) > 1 else float("nan")
        error = {ERROR_OF_10PX: float(spread / np.sqrt(len(own)))}
        return {"group": group, "method": method, "pairs": len(own), "stride_px": own[0].stride_px, **means, **error}

    @staticmethod
    def _line(result: PckResult) -> Row:
        names: Row = {"group": result.group, "pair": result.pair, "method": result.method, "points": result.points}
        return {**names, **result.values}
