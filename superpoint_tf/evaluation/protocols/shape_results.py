"""What a run over synthetic shapes measured, and its tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superpoint_tf.evaluation.measures import Column
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.report.curves import dots_figures
from superpoint_tf.evaluation.report.report_tables import BOLD_NOTE
from superpoint_tf.evaluation.results import Evaluation, Example, Figure, Measured, Row, Table, counted
from superpoint_tf.evaluation.shape_measures import AVERAGE_PRECISION, SHAPE_MEASURES, ShapeMeasure

ByCondition = dict[str, dict[str, dict[str, float]]]  # condition (clean, noisy), method, primitive; `all` pools them


@dataclass(frozen=True)
class MeasuredShapes(Measured):
    """Detectors on synthetic shapes whose corners are known."""

    facts: dict[str, Any]
    protocol: PairProtocol
    methods: dict[str, dict[str, Any]]
    values: Mapping[str, ByCondition]  # by measure
    pictures: Sequence[Row] = ()  # one a picture: condition, primitive, picture, method, keypoints, corners, found
    draw_examples: Callable[[], list[Example]] = list

    def evaluation(self) -> Evaluation:
        count = len({(row["condition"], row["primitive"], row["picture"]) for row in self.pictures})
        return Evaluation(
            "synthetic",
            self.facts,
            self.methods,
            {"shapes": self.protocol},
            dict(self.values),
            {"pictures.csv": self.pictures},
            console=[self._console_table()],
            markdown=[self._markdown_table()],
            report=[
                _primitives_table(SHAPE_MEASURES[name], condition, found)
                for name, values in self.values.items()
                for condition, found in values.items()
            ],
            title="Evaluation on synthetic shapes",
            measured=f"Protocol synthetic: {counted(count, 'picture')}, {counted(len(self.methods), 'method')}.",
            note=BOLD_NOTE,
            definitions={"What the values mean": _definitions(self.protocol)},
        )

    def figures(self) -> list[Figure]:
        return dots_figures(self.methods, self.values[AVERAGE_PRECISION])

    def examples(self) -> list[Example]:
        return self.draw_examples()

    def _console_table(self) -> Table:
        """Return a row a method, clean then noisy: average precision a primitive, then the other measures."""
        others = [name for name in self.values if name != AVERAGE_PRECISION]
        rows: list[Row] = [
            {
                "group": condition,
                "method": method,
                **found,
                **{name: self.values[name][condition][method]["all"] for name in others},
            }
            for condition, methods in self.values[AVERAGE_PRECISION].items()
            for method, found in methods.items()
        ]
        known = ("group", "method", "all", *others)
        of_primitives = [name for name in rows[0] if name not in known] if rows else []
        columns = {name: Column(name.replace("_", " ")) for name in ("method", "all", *of_primitives)}
        return Table({**columns, **{name: SHAPE_MEASURES[name] for name in others}}, rows)

    def _markdown_table(self) -> Table:
        """Return the measures of each method, clean and noisy."""
        columns = {"method": Column("")}
        rows: dict[str, Row] = {method: {"method": method} for method in self.methods}
        for condition in self.values[AVERAGE_PRECISION]:
            for measure, values in self.values.items():
                title = f"{SHAPE_MEASURES[measure].title}, {condition}"
                columns[title] = Column(title, SHAPE_MEASURES[measure].digits)
                for method, found in values[condition].items():
                    rows[method][title] = found["all"]
        return Table(columns, list(rows.values()))


def _primitives_table(measure: ShapeMeasure, condition: str, values: Mapping[str, Mapping[str, float]]) -> Table:
    having = dict.fromkeys(name for row in values.values() for name, value in row.items() if math.isfinite(value))
    order = sorted(having, key=lambda name: name != "all")
    columns = {name: Column(name.replace("_", " "), measure.digits, measure.better) for name in order}
    rows: list[Row] = [{"method": method, **row} for method, row in values.items()]
    title = f"{measure.name[:1].upper()}{measure.name[1:]}, {condition}"
    return Table({"method": Column("method"), **columns}, rows, title)


def _definitions(protocol: PairProtocol) -> dict[str, str]:
    within, suppression = f"{protocol.distance_px:g} px", f"{protocol.nms_radius_px} px"
    return {
        **{m.name: m.meaning.format(within=within, suppression=suppression) for m in SHAPE_MEASURES.values()},
        "all": "All pictures together, those without corners included: everything found there is wrong. A primitive "
        "that has no corners has no column of its own.",
    }
