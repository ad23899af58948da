"""The report of an evaluation: one HTML file with tables, figures and examples that needs nothing from outside."""

from __future__ import annotations

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
from superpoint_tf.evaluation.report.report_tables import report_table, sequence_tables
from superpoint_tf.evaluation.results import Evaluation, Table

MOST_SEQUENCES = 150  # HPatches has 116; more are for pairs.csv
_SECTIONS = {
    "tables": "Tables",
    "columns": "Columns",
    "figures": "Figures",
    "sequences": "Sequences",
    "examples": "Examples",
    "methods": "Methods",
}


def html_report(evaluation: Evaluation) -> str:
    """Return the report as HTML."""
    facts = evaluation.facts
    note = text_element("p", evaluation.note, class_="faint")
    contents = {
        "tables": "\n".join([note, *map(report_table, evaluation.report)]),
        "columns": "\n".join(folded(title, definitions(words)) for title, words in evaluation.definitions.items()),
        "figures": "\n".join(plot_figure(figure.picture, figure.caption) for figure in evaluation.figures),
        "sequences": "".join(map(_sequences, evaluation.sequences)),
        "examples": "\n".join(photograph_figure(example.picture, example.title) for example in evaluation.examples),
        "methods": _methods(evaluation),
    }
    named = [(name, _SECTIONS[name], content) for name, content in contents.items() if content]
    links = "".join(text_element("a", heading, href=f"#{name}") for name, heading, _ in named)
    made = [as_text(facts[name]) for name in ("date", "versions") if facts.get(name)]
    command = as_text(facts.get("command") or "")
    return page(
        evaluation.title,
        text_element("h1", evaluation.title),
        text_element("p", evaluation.measured),
        text_element("p", "; ".join(made), class_="faint") if made else "",
        text_element("pre", command) if command else "",
        element("nav", links),
        *(section(name, heading, content) for name, heading, content in named),
    )


def _sequences(table: Table) -> str:
    heading = text_element("h3", table.title)
    count = len({row["sequence"] for row in table.rows})
    if count > MOST_SEQUENCES:
        return heading + text_element("p", f"{count} sequences are too many for this page; pairs.csv has every pair.")
    return heading + sequence_tables(table)


def _methods(evaluation: Evaluation) -> str:
    folds = [folded("What each method is", definitions(evaluation.methods))]
    other = {name: value for name, value in evaluation.facts.items() if name != "command"}
    if other:
        folds.append(folded("How the run was made", definitions(other)))
    return "\n".join(folds)
