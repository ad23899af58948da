"""The report of an evaluation: one HTML file with tables, figures and examples that needs nothing from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from superpoint_tf.evaluation.columns import CURVES, HIGH, LOW, Measure
from superpoint_tf.evaluation.columns import definitions as column_definitions
from superpoint_tf.evaluation.measures import PairProtocol, summarize
from superpoint_tf.evaluation.report.curves import DOTS, DOTS_CAPTION, pairs_figures, shapes_figures
from superpoint_tf.evaluation.report.report_html import (
    as_text,
    definitions,
    element,
    folded,
    page,
    photograph_figure,
    plot_figure,
    section,
    text_element,
)
from superpoint_tf.evaluation.report.report_tables import (
    group_blocks,
    methods_table,
    sequence_tables,
    shapes_definitions,
)
from superpoint_tf.evaluation.results import Example, PairsEvaluation, ShapesEvaluation

TITLES = {"hpatches": "HPatches evaluation", "random-homography": "Evaluation on random homographies"}
MOST_SEQUENCES = 150  # HPatches has 116; more are for pairs.csv
BOLD_NOTE = "Bold is the best method of a column. Controls, in italics, see nothing: what they reach is free."
DASH_NOTE = "A dash is a value that does not exist: without descriptors there are no matches."
_SECTIONS = {
    "tables": "Tables",
    "columns": "Columns",
    "figures": "Figures",
    "sequences": "Sequences",
    "examples": "Examples",
    "methods": "Methods",
}


def pairs_report(
    evaluation: PairsEvaluation, examples: Sequence[Example], figures: Mapping[str, np.ndarray] | None = None
) -> str:
    """Return the report on image pairs as HTML; `figures` are those of `pairs_figures`, drawn here if not given."""
    figures = pairs_figures(evaluation) if figures is None else figures
    sequences = "".join(_sequences(evaluation, setting) for setting in evaluation.settings)
    contents = {
        "tables": _pairs_tables(evaluation),
        "columns": folded("What each column means", definitions(column_definitions([*evaluation.settings.values()]))),
        "figures": _figures(figures),
        "sequences": sequences,
        "examples": _examples(examples),
        "methods": _methods(evaluation.methods, evaluation.facts),
    }
    title = TITLES.get(evaluation.protocol, f"Evaluation: {evaluation.protocol}")
    data = f" on {as_text(evaluation.facts['data'])}" if evaluation.facts.get("data") else ""
    measured = f"Protocol {evaluation.protocol}{data}: {_pairs_count(evaluation)}."
    return _report(title, measured, evaluation.facts, contents)


def shapes_report(
    evaluation: ShapesEvaluation, examples: Sequence[Example], figures: Mapping[str, np.ndarray] | None = None
) -> str:
    """Return the report on synthetic shapes as HTML; `figures` are those of `shapes_figures`, drawn if not given."""
    figures = shapes_figures(evaluation) if figures is None else figures
    contents = {
        "tables": _shapes_tables(evaluation),
        "columns": folded("What the values mean", definitions(shapes_definitions(evaluation.protocol))),
        "figures": _figures(figures),
        "examples": _examples(examples),
        "methods": _methods(evaluation.methods, evaluation.facts),
    }
    count = len({(row["condition"], row["primitive"], row["picture"]) for row in evaluation.pictures})
    measured = f"Protocol synthetic: {_counted(count, 'picture')}, {_counted(len(evaluation.methods), 'method')}."
    return _report("Evaluation on synthetic shapes", measured, evaluation.facts, contents)


def _report(title: str, measured: str, facts: Mapping[str, Any], contents: Mapping[str, str]) -> str:
    named = [(name, _SECTIONS[name], content) for name, content in contents.items() if content]
    links = "".join(text_element("a", heading, href=f"#{name}") for name, heading, _ in named)
    made = [as_text(facts[name]) for name in ("date", "versions") if facts.get(name)]
    command = as_text(facts.get("command") or "")
    return page(
        title,
        text_element("h1", title),
        text_element("p", measured),
        text_element("p", "; ".join(made), class_="faint") if made else "",
        text_element("pre", command) if command else "",
        element("nav", links),
        *(section(name, heading, content) for name, heading, content in named),
    )


def _pairs_count(evaluation: PairsEvaluation) -> str:
    results = next(iter(evaluation.results.values()), [])
    pairs = {(result.group, result.sequence, result.pair) for result in results}
    sequences = {result.sequence for result in results} - {""}
    of_sequences = f" of {_counted(len(sequences), 'sequence')}" if sequences else ""
    return f"{_counted(len(pairs), 'pair')}{of_sequences}, {_counted(len(evaluation.methods), 'method')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _pairs_tables(evaluation: PairsEvaluation) -> str:
    parts = [text_element("p", f"{BOLD_NOTE} {DASH_NOTE}", class_="faint")]
    for setting, protocol in evaluation.settings.items():
        parts += [_setting_heading(setting, protocol), group_blocks(evaluation.rows(setting))]
    return "\n".join(parts)


def _setting_heading(setting: str, protocol: PairProtocol) -> str:
    judged = f"right within {protocol.distance_px:g} px, RANSAC {protocol.ransac_px:g} px"
    return text_element("h3", f"Setting {setting}") + text_element("p", f"{protocol}, {judged}.", class_="faint")


def _shapes_tables(evaluation: ShapesEvaluation) -> str:
    parts = [text_element("p", BOLD_NOTE, class_="faint")]
    for condition, values in evaluation.precision.items():
        parts.append(_primitives_table(f"Average precision, {condition}", values, 3))
    for condition, values in evaluation.localization_px.items():
        parts.append(_primitives_table(f"Localization error in pixels, {condition}", values, 2, LOW))
    return "\n".join(parts)


def _primitives_table(title: str, values: Mapping[str, Mapping[str, float]], digits: int, better: str = HIGH) -> str:
    having = dict.fromkeys(name for row in values.values() for name, value in row.items() if math.isfinite(value))
    order = sorted(having, key=lambda name: name != "all")
    columns = {name: Measure(name.replace("_", " "), digits, better) for name in order}
    return text_element("h3", title) + methods_table(values, columns)


def _figures(figures: Mapping[str, np.ndarray]) -> str:
    captions = {stem: curve.caption for stem, curve in CURVES.items()} | {DOTS: DOTS_CAPTION}
    return "\n".join(plot_figure(picture, captions.get(stem, stem)) for stem, picture in figures.items())


def _sequences(evaluation: PairsEvaluation, setting: str) -> str:
    results = evaluation.results[setting]
    count = len({result.sequence for result in results})
    if not any(result.sequence for result in results):
        return ""
    heading = text_element("h3", f"Setting {setting}")
    if count > MOST_SEQUENCES:
        return heading + text_element("p", f"{count} sequences are too many for this page; pairs.csv has every pair.")
    return heading + sequence_tables(summarize(results, by_sequence=True))


def _examples(examples: Sequence[Example]) -> str:
    return "\n".join(photograph_figure(example.picture, example.title) for example in examples)


def _methods(methods: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    folds = [folded("What each method is", definitions(methods))]
    other = {name: value for name, value in facts.items() if name != "command"}
    if other:
        folds.append(folded("How the run was made", definitions(other)))
    return "\n".join(folds)
