"""Write the tables of README.md and docs/*.md from docs/results/*.json, so that no number is typed.

    python docs/tables.py            # rewrite what stands between the marks
    python docs/tables.py --check    # write nothing; print the difference and fail if there is one

A table is asked for by a mark and ends at the next `<!-- end -->`; a mark may have several lines:

    <!-- table: results/hpatches.json group="v; i shifted" rows="RootSIFT; superpoint-small=**SuperPoint (small)**"
         columns="repeatability, localization_px, mma_3" -->
    <!-- differences: results/validation.json rows="before to after=longer" columns="matching_score, mma_3" -->
    <!-- run: results/hpatches.json -->

`table` takes a summary.json of tools/evaluate.py, the file of tools/benchmark.py, or one of ready tables, named from
docs/. All keys may be left out; lists are split at semicolons, or at commas if there are none.
  group    of pairs: v, i shifted, i (default: all, each under its name); of synthetic shapes: a primitive
           (default: all of them together); of a benchmark: network, loss, ... (default: all); of a file of ready
           tables: which one (default: the first)
  rows     METHOD or METHOD=TITLE; a row of another file is results/other.json:METHOD=TITLE (default: all of the file)
  columns  of pairs: keys of `MEASURES`, of another protocol those of its own (`OWN_MEASURES`); of shapes: `clean`,
           `noisy`, `clean localization_px`, ...; of a benchmark:
           value, limit, set by, fraction, mark, peak MB, note; of ready tables: their keys
  setting  of pairs: 240x320 or 480x640 (default: the first for repeatability and localization, else the last)
`differences` writes what `--compare A B` measured, means of paired differences with their standard errors, bold beyond
two of them; its keys are the same, of `rows` A to B=TITLE.
`run` writes the command of that file, its date and versions.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from superpoint_tf.evaluation.disparity_measures import DISPARITY_MEASURES
from superpoint_tf.evaluation.measures import DETECTOR, MEASURES, TABLES, shown
from superpoint_tf.evaluation.patch_measures import PATCH_MEASURES
from superpoint_tf.evaluation.pck_measures import PCK_MEASURES
from superpoint_tf.evaluation.report.markdown import ABSENT, markdown_table
from superpoint_tf.evaluation.retrieval_measures import RETRIEVAL_MEASURES
from superpoint_tf.evaluation.shape_measures import AVERAGE_PRECISION, SHAPE_MEASURES

BEGIN = r"<!-- (table|differences|run): "
MARK = re.compile(rf"({BEGIN}((?:(?!-->).)*?) -->\n)(?:(?!{BEGIN}).)*?(<!-- end -->)", re.DOTALL)
BENCHMARK_COLUMNS = ("value", "limit", "set by", "fraction", "mark", "peak MB")
KEYS = ("group", "rows", "columns", "setting")
LONGEST_LINE = 116
_DIFFERENCE_DIGITS = 3  # at least: errors are small
OWN_MEASURES: dict[str, Mapping[str, Any]] = {  # by protocol
    "patches": PATCH_MEASURES,
    "pck": PCK_MEASURES,
    "retrieval": RETRIEVAL_MEASURES,
    "stereo": DISPARITY_MEASURES,
}


class TableError(ValueError):
    """A mark that cannot be filled; the message says what there would have been."""


def filled(text: str, folder: Path = DOCS) -> str:
    """Return a page with every table between marks as the JSON files below `folder` give it."""

    if len(MARK.findall(text)) != len(re.findall(BEGIN, text)):
        raise TableError("a mark has no `<!-- end -->` of its own, or text follows it on its line")

    def fill(found: re.Match[str]) -> str:
        begin, kind, request, _, end = found.groups()
        try:
            lines = WRITERS[kind](request, folder)
        except TableError as error:
            raise TableError(f"<!-- {kind}: {' '.join(request.split())} -->: {error}") from error
        return begin + "".join(f"{line}\n" for line in lines) + end

    return MARK.sub(fill, text)


def read(name: str, folder: Path) -> dict[str, Any]:
    """Return the content of a JSON file named from docs/."""
    path = folder / name
    if not path.is_file():
        there = ", ".join(sorted(f"results/{other.name}" for other in (folder / "results").glob("*.json")))
        raise TableError(f"no such file: {name}; there are {there or 'none'}")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def table(request: str, folder: Path) -> list[str]:
    """Return the lines of the table that a mark asks for."""
    name, options = parsed(request)
    content = read(name, folder)
    if "benchmarks" in content:
        return benchmark_table(content, options)
    if "tables" in content:
        return ready_table(content["tables"], options)
    rows = wanted_rows(options, content, name, folder)
    return shapes_table(rows, options) if AVERAGE_PRECISION in content else pairs_table(rows, options)


def parsed(request: str) -> tuple[str, dict[str, str]]:
    """Return the file that a mark names, and its keys."""
    name, *pairs = shlex.split(request)
    options = dict(pair.partition("=")[::2] for pair in pairs)
    unknown = options.keys() - set(KEYS)
    if unknown:
        raise TableError(f"{', '.join(sorted(unknown))} is not one of {', '.join(KEYS)}")
    return name, options


def differences_table(request: str, folder: Path) -> list[str]:
    """Return the lines of a table of paired differences."""
    name, options = parsed(request)
    compared = read(name, folder).get("comparisons") or {}
    if not compared:
        raise TableError(f"{name} has no comparisons: it was measured without --compare")
    found = {
        (setting, f"{each['first']} to {each['second']}", each["group"]): each["differences"]
        for setting, comparisons in compared.items()
        for each in comparisons
    }
    names, in_file = (list(dict.fromkeys(key[place] for key in found)) for place in (1, 2))
    columns = split(options.get("columns", "")) or list(shown(TABLES))
    for column in columns:
        one_of(column, MEASURES, "column")
    groups = split(options.get("group", "")) or in_file
    lines = []
    for group in groups:
        one_of(group, in_file, "group")
        if len(groups) > 1:
            lines.append([f"**{group}**", *[""] * len(columns)])
        for row in split(options.get("rows", "")) or names:
            which, _, title = (part.strip() for part in row.partition("="))
            one_of(which, names, "comparison")
            cells = [
                difference(found[setting_of(column, list(compared), options), which, group].get(column), column)
                for column in columns
            ]
            lines.append([title or which, *cells])
    return markdown_table(["", *(MEASURES[column].title for column in columns)], lines)


def difference(measured: Mapping[str, Any] | None, column: str) -> str:
    """Return a mean difference with its standard error, bold beyond two; a dash where nothing is compared."""
    if not measured or not measured["pairs"]:
        return ABSENT
    digits = max(MEASURES[column].digits, _DIFFERENCE_DIGITS)
    mean, error = (number(measured[key], digits) for key in ("mean", "standard_error"))
    text = f"{mean if mean.startswith('-') else f'+{mean}'} ± {error}"
    return f"**{text}**" if measured["significant"] else text


def wanted_rows(
    options: Mapping[str, str], content: dict[str, Any], name: str, folder: Path
) -> list[tuple[dict[str, Any], str, str]]:
    """Return the file, method and title of each row."""
    rows = []
    for row in split(options.get("rows", "")) or list(content["methods"]):
        what, _, title = (part.strip() for part in row.partition("="))
        file, colon, method = what.rpartition(":") if what.startswith("results/") else ("", "", what)
        summary = read(file, folder) if colon else content
        one_of(method, summary["methods"], f"method of {file or name}")
        rows.append((summary, method, title or method))
    return rows


def pairs_table(rows: list[tuple[dict[str, Any], str, str]], options: Mapping[str, str]) -> list[str]:
    """Return a table of averages over pairs, under a heading row a group if there are several."""
    measures: Mapping[str, Any] = OWN_MEASURES.get(str(rows[0][0].get("protocol")), MEASURES)
    own = measures is not MEASURES
    usual = [name for name, measure in measures.items() if TABLES in measure.shown] if own else list(shown(TABLES))
    columns = split(options.get("columns", "")) or usual
    for column in columns:
        one_of(column, measures, "column")
    in_file = list(dict.fromkeys(row["group"] for row in next(iter(by_setting(rows[0][0]).values()))))
    groups = split(options.get("group", "")) or in_file
    lines = []
    for group in groups:
        one_of(group, in_file, "group")
        members = [
            (title, values_of_pairs(summary, method, group, columns, options)) for summary, method, title in rows
        ]
        if len(groups) > 1:
            lines.append([f"**{group}** ({members[0][1]['pairs']} pairs)", *[""] * len(columns)])
        lines += [[title, *(number(values.get(c), measures[c].digits) for c in columns)] for title, values in members]
    return markdown_table(["", *(measures[column].title for column in columns)], lines)


def by_setting(summary: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows by the size and budget that they were measured at; patches have none."""
    rows: Any = summary["rows"]
    return rows if isinstance(rows, dict) else {"": rows}


def values_of_pairs(
    summary: dict[str, Any], method: str, group: str, columns: Iterable[str], options: Mapping[str, str]
) -> dict[str, float]:
    """Return the wanted values of a method in a group, each from its setting, and the number of pairs."""
    measured = by_setting(summary)
    settings = list(measured)
    values: dict[str, float] = {}
    for column in ("pairs", *columns):
        setting = setting_of(column, settings, options)
        found = [row for row in measured[setting] if (row["group"], row["method"]) == (group, method)]
        if not found:
            raise TableError(f"{method} has no pairs of group {group}")
        values[column] = found[0].get(column)
    return values


def setting_of(column: str, settings: Sequence[str], options: Mapping[str, str]) -> str:
    """Return the size and budget at which a column is shown."""
    of_detector = column in MEASURES and MEASURES[column].needs == DETECTOR
    setting = options.get("setting") or settings[0 if of_detector else -1]
    one_of(setting, settings, "setting")
    return setting


def shapes_table(rows: list[tuple[dict[str, Any], str, str]], options: Mapping[str, str]) -> list[str]:
    """Return a table of what was measured on synthetic shapes; a condition alone is its average precision."""
    conditions = rows[0][0][AVERAGE_PRECISION]
    columns = split(options.get("columns", "")) or [f"{c} {of}" for c in conditions for of in SHAPE_MEASURES]
    group = options.get("group", "all")
    lines = []
    for summary, method, title in rows:
        cells = []
        for column in columns:
            condition, measure = condition_and_measure(column)
            one_of(measure, SHAPE_MEASURES, "value of shapes")
            values = summary[measure]
            one_of(condition, values, "condition")
            one_of(group, values[condition][method], "primitive")
            cells.append(number(values[condition][method][group], SHAPE_MEASURES[measure].digits))
        lines.append([title, *cells])
    titles = [
        f"{SHAPE_MEASURES[measure].title}, {condition}" for condition, measure in map(condition_and_measure, columns)
    ]
    return markdown_table(["", *titles], lines)


def condition_and_measure(column: str) -> tuple[str, str]:
    """Return what a column of shapes names: `noisy localization_px`, or `noisy` alone for the average precision."""
    condition, _, measure = column.partition(" ")
    return condition, measure or AVERAGE_PRECISION


def benchmark_table(content: dict[str, Any], options: Mapping[str, str]) -> list[str]:
    """Return a table of benchmark entries, in the order of `rows`, each NAME or NAME=TITLE."""
    columns = split(options.get("columns", "")) or list(BENCHMARK_COLUMNS)
    for column in columns:
        one_of(column, (*BENCHMARK_COLUMNS, "note"), "column")
    groups = split(options.get("group", "")) or list(content["benchmarks"])
    for group in groups:
        one_of(group, content["benchmarks"], "group")
    entries = [entry for group in groups for entry in content["benchmarks"][group]["entries"]]
    names = [entry["name"].strip() for entry in entries]
    lines: list[list[str]] = []
    for row in split(options.get("rows", "")) or names:
        name, _, title = (part.strip() for part in row.partition("="))
        one_of(name, names, "entry")
        if "rows" in options and names.count(name) > 1:
            raise TableError(f"{names.count(name)} entries are called {name!r}; name their group")
        found = entries[names.index(name)] if "rows" in options else entries[len(lines)]
        lines.append([title or name, *(benchmark_cell(found, column) for column in columns)])
    return markdown_table(["", *columns], lines)


def benchmark_cell(entry: Mapping[str, Any], column: str) -> str:
    """Return one value of a benchmark entry as text."""
    if column == "value":
        return f"{three_digits(entry['value'])} {entry['unit']}"
    if column == "fraction":
        return number(entry["fraction"], 2)
    if column == "mark":
        return f"{entry['mark']} {'met' if entry['met'] else 'missed'}" if entry["mark"] else ABSENT
    if column in ("limit", "peak MB"):
        value = entry["limit"] if column == "limit" else entry["peak_bytes"] and entry["peak_bytes"] / 1e6
        return ABSENT if value is None else three_digits(value)
    return entry["limit_name" if column == "set by" else column] or ABSENT


def ready_table(tables: Mapping[str, Any], options: Mapping[str, str]) -> list[str]:
    """Return one of the tables of a file that holds them ready: columns with title and digits, rows of values."""
    group = options.get("group") or next(iter(tables))
    one_of(group, tables, "group")
    columns, rows = tables[group]["columns"], tables[group]["rows"]
    wanted = split(options.get("columns", "")) or list(columns)
    for column in wanted:
        one_of(column, columns, "column")

    def cell(row: Mapping[str, Any], column: str) -> str:
        value, digits = row.get(column), columns[column].get("digits")
        return str(value) if digits is None and value is not None else number(value, digits or 0)

    return markdown_table(
        [columns[column]["title"] for column in wanted], [[cell(row, column) for column in wanted] for row in rows]
    )


def run_lines(request: str, folder: Path) -> list[str]:
    """Return the command that wrote the file that a mark names, in lines that fit, its date and versions."""
    content = read(request.strip(), folder)
    lines = [""]
    for word in shlex.split(content["command"]):
        quoted = shlex.quote(word)
        if len(lines[-1]) + len(quoted) >= LONGEST_LINE:
            lines[-1] += " \\"
            lines.append(" ")
        lines[-1] += f" {quoted}" if lines[-1] else quoted
    facts = [str(content[key]) for key in ("date", "device") if key in content]
    facts += [f"{name} {version}" for name, version in content.get("versions", {}).items() if version]
    return ["```sh", *lines, "```", "", f"*{', '.join(facts)}*", ""]


WRITERS = {"table": table, "differences": differences_table, "run": run_lines}


def three_digits(value: float) -> str:
    """Return a number with three digits that matter, thousands apart, as the benchmark prints it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def number(value: float | None, digits: int) -> str:
    """Return a number without the 0 before its point; a dash for None."""
    if value is None:
        return ABSENT
    text = f"{value:.{digits}f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def split(text: str) -> list[str]:
    """Return the items of a list in a mark."""
    return [item for item in map(str.strip, text.split(";" if ";" in text else ",")) if item]


def one_of(value: str, known: Iterable[str], what: str) -> None:
    """Raise TableError for a value that is not there, naming those that are."""
    known = list(known)
    if value not in known:
        raise TableError(f"no {what} is called {value!r}; there are: {'; '.join(known)}")


def pages() -> list[Path]:
    """Return the pages whose tables are written: README.md and docs/*.md."""
    return [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write the tables of README.md and docs/*.md from docs/results/*.json."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a table is not what its JSON gives"
    )
    check = parser.parse_args().check
    changed = False
    for path in pages():
        before = path.read_text(encoding="utf-8")
        try:
            after = filled(before)
        except TableError as error:
            sys.exit(f"error: {path.name}: {error}")
        if after == before:
            continue
        changed = True
        name = str(path.relative_to(DOCS.parent))
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, f"{name}, from its JSON")
            )
        else:
            path.write_text(after, encoding="utf-8")
            print(f"wrote the tables of {name}")
    if check and changed:
        sys.exit("error: tables are not what docs/results/*.json give; run `python docs/tables.py`")


if __name__ == "__main__":
    main()
