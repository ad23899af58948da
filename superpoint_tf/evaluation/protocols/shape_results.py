"""What a run over synthetic shapes measured, and its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superpoint_tf.evaluation.measures import HIGH, LOW, MEASURES, Column
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.report.curves import dots_figures
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE
from superpoint_tf.evaluation.results import Evaluation, Example, Figure, Measured, Row, Table, counted

ByCondition = dict[str, dict[str, dict[str, float]]]  # condition (clean, noisy), method, primitive; `all` pools them


@dataclass(frozen=True)
class MeasuredShapes(Measured):
    """Detectors on synthetic shapes whose corners are known."""

    facts: dict[str, Any]
    protocol: PairProtocol
    methods: dict[str, dict[str, Any]]
    precision: ByCondition  # average precision
    localization_px: ByCondition
    pictures: Sequence[Row] = ()  # one a picture: condition, primitive, picture, method, keypoints, corners, found
    draw_examples: Callable[[], list[Example]] = list

    def evaluation(self) -> Evaluation:
        count = len({(row["condition"], row["primitive"], row["picture"]) for row in self.pictures})
        return Evaluation(
            "synthetic",
            self.facts,
            self.methods,
            {"shapes": self.protocol},
            {"average_precision": self.precision, "localization_px": self.localization_px},
            {"pictures.csv": self.pictures},
            console=[self._console_table()],
            markdown=[self._markdown_table()],
            report=[
                _primitives_table(f"{title}, {condition}", found, digits, better)
                for title, values, digits, better in (
                    ("Average precision", self.precision, 3, HIGH),
                    ("Localization error in pixels", self.localization_px, 2, LOW),
                )
                for condition, found in values.items()
            ],
            title="Evaluation on synthetic shapes",
            measured=f"Protocol synthetic: {counted(count, 'picture')}, {counted(len(self.methods), 'method')}.",
            note=BOLD_NOTE,
            definitions={"What the values mean": _definitions(self.protocol)},
        )

    def figures(self) -> list[Figure]:
        return dots_figures(self.methods, self.precision)

    def examples(self) -> list[Example]:
        return self.draw_examples()

    def _console_table(self) -> Table:
        """Return a row a method, clean then noisy, a column a primitive."""
        rows: list[Row] = [
            {"group": condition, "method": method, **values, "error": self.localization_px[condition][method]["all"]}
            for condition, methods in self.precision.items()
            for method, values in methods.items()
        ]
        of_primitives = [name for name in rows[0] if name not in ("group", "method", "all", "error")] if rows else []
        columns = {name: Column(name.replace("_", " ")) for name in ("method", "all", *of_primitives)}
        return Table({**columns, "error": MEASURES["localization_px"]}, rows)

    def _markdown_table(self) -> Table:
        """Return average precision and localization error of each method, clean and noisy."""
        columns = {"method": Column("")}
        rows: dict[str, Row] = {method: {"method": method} for method in self.methods}
        for condition in self.precision:
            for title, values, digits in (("AP", self.precision, 3), ("loc px", self.localization_px, 2)):
                name = f"{title}, {condition}"
                columns[name] = Column(name, digits)
                for method, found in values[condition].items():
                    rows[method][name] = found["all"]
        return Table(columns, list(rows.values()))


def _primitives_table(title: str, values: Mapping[str, Mapping[str, float]], digits: int, better: str) -> Table:
    having = dict.fromkeys(name for row in values.values() for name, value in row.items() if math.isfinite(value))
    order = sorted(having, key=lambda name: name != "all")
    columns = {name: Column(name.replace("_", " "), digits, better) for name in order}
    rows: list[Row] = [{"method": method, **row} for method, row in values.items()]
    return Table({"method": Column("method"), **columns}, rows, title)


def _definitions(protocol: PairProtocol) -> dict[str, str]:
    return {
        "average precision": f"Detections, after suppression within {protocol.nms_radius_px} px and without a "
        "threshold, are ranked by score over all pictures of the primitive. One is right if it is within "
        f"{protocol.distance_px:g} px of a true corner that no stronger one has taken. The area under the curve of "
        "precision over recall.",
        "localization error": "The mean distance in pixels of the right detections from their corners. Less is better.",
        "all": "All pictures together, those without corners included: everything found there is wrong. A primitive "
        "that has no corners has no column of its own.",
    }
