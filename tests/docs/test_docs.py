"""The pages: tables are what their JSON gives, links lead somewhere, README is short, configs say what they are."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def load_tables() -> ModuleType:
    specification = importlib.util.spec_from_file_location("tables_of_the_docs", DOCS / "tables.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


tables = load_tables()
ABSENT = tables.ABSENT


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead to no file or to no heading."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"\w+://", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


# ------------------------------------------------------------------------------------------------ the pages as they are


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_table_is_what_its_json_gives(page: Path):
    text = page.read_text(encoding="utf-8")
    assert text == tables.filled(text), "run `python docs/tables.py`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path):
    assert broken_links(page) == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 9_000


def test_the_index_lists_every_page():
    listed = set(re.findall(r"\]\(([^)]+)\)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= listed


@pytest.mark.parametrize("config", CONFIGS, ids=name_of)
def test_a_config_says_its_command_its_cost_and_its_result(config: Path):
    header = re.match(r"(?:#.*\n)*", config.read_text(encoding="utf-8"))
    assert header
    words = re.findall(r"^#   (\w+) +\S", header.group(), re.MULTILINE)
    assert {"cost", "result"} <= set(words) and {"command", "commands"} & set(words)


# ------------------------------------------------------------------------------------------------ writing tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / "results" / name).write_text(json.dumps(content))


def row(group: str, method: str, **values: float) -> dict[str, Any]:
    return {"group": group, "method": method, "pairs": 2, **values}


def pairs_summary(small: float) -> dict[str, Any]:
    low = [row("v", "ORB", repeatability=0.5), row("v", "net", repeatability=small), row("i", "ORB", repeatability=1.0)]
    high = [row("v", "ORB", repeatability=0.1, h_3=0.25), row("v", "net", repeatability=0.2), row("i", "ORB", h_3=0.75)]
    command = "python tools/evaluate.py hpatches --methods ORB 'a name=net'"
    facts = {"command": command, "date": "2026-11-27", "versions": {"numpy": "1.26.4", "torch": None}}
    return {**facts, "methods": {"ORB": {}, "net": {}}, "rows": {"240x320": low, "480x640": high}}


def lines(request: str, folder: Path, kind: str = "table") -> list[str]:
    text = tables.filled(f"before\n<!-- {kind}: {request} -->\nold\n<!-- end -->\nafter\n", folder)
    assert tables.filled(text, folder) == text
    written: list[str] = text.splitlines()
    assert written[0] == "before" and written[-2:] == ["<!-- end -->", "after"]
    return [line for line in written if line.startswith("|")] if kind != "run" else written[2:-2]


def test_a_table_takes_rows_of_two_files_each_value_from_its_setting(folder: Path):
    write(folder, "one.json", pairs_summary(0.6))
    write(folder, "two.json", pairs_summary(0.7))
    request = (
        'results/one.json group="v" columns="repeatability, h_3"\n rows="ORB; net; results/two.json:net=net, twice"'
    )
    assert lines(request, folder) == [
        "|  | repeat. | H@3 |",
        "| --- | --- | --- |",
        "| ORB | .500 | .250 |",
        f"| net | .600 | {ABSENT} |",
        f"| net, twice | .700 | {ABSENT} |",
    ]


def test_differences_are_those_of_the_pairs_with_their_errors_bold_beyond_two(folder: Path):
    def compared(mean: float) -> dict[str, Any]:
        measured = {"mean": mean, "standard_error": 0.0021, "pairs": 200, "significant": abs(mean) > 0.0042}
        return {"first": "a", "second": "b c", "group": "v", "differences": {"matching_score": measured}}

    settings = {"240x320": [compared(0.5)], "480x640": [compared(-0.0184)]}
    write(folder, "one.json", {**pairs_summary(0.6), "comparisons": settings})
    request = 'results/one.json rows="a to b c=longer" columns="matching_score, mma_1"'
    table = ["|  | match. sc. | MMA@1 |", "| --- | --- | --- |", f"| longer | **-.018 ± .002** | {ABSENT} |"]
    titles = [tables.MEASURES[name].title for name in ("matching_score", "mma_1")]
    table[0] = f"|  | {' | '.join(titles)} |"
    assert lines(request, folder, "differences") == table
    settings["480x640"] = [compared(0.004)]
    write(folder, "one.json", {**pairs_summary(0.6), "comparisons": settings})
    assert lines(request, folder, "differences")[2] == f"| longer | +.004 ± .002 | {ABSENT} |"
    write(folder, "one.json", pairs_summary(0.6))
    with pytest.raises(tables.TableError, match=r"one\.json has no comparisons: it was measured without --compare"):
        lines(request, folder, "differences")


def test_several_groups_have_a_heading_row_each(folder: Path):
    write(folder, "one.json", pairs_summary(0.6))
    assert lines('results/one.json rows="ORB" columns="repeatability" setting="480x640" group="v"', folder)[2:] == [
        "| ORB | .100 |"
    ]
    assert lines('results/one.json rows="ORB" columns="h_3"', folder)[2:] == [
        "| **v** (2 pairs) |  |",
        "| ORB | .250 |",
        "| **i** (2 pairs) |  |",
        "| ORB | .750 |",
    ]


def test_a_table_of_shapes_has_clean_and_noisy(folder: Path):
    precision = {"clean": {"net": {"all": 0.984, "cube": 0.9}}, "noisy": {"net": {"all": 0.913}}}
    error = {"clean": {"net": {"all": 0.55}}, "noisy": {"net": {"all": None}}}
    write(folder, "s.json", {"methods": {"net": {}}, "average_precision": precision, "localization_px": error})
    assert lines("results/s.json", folder)[::2] == [
        "|  | AP, clean | loc px, clean | AP, noisy | loc px, noisy |",
        f"| net | .984 | .55 | .913 | {ABSENT} |",
    ]
    assert lines('results/s.json columns="clean" group="cube"', folder)[2:] == ["| net | .900 |"]


def test_a_table_of_a_benchmark_has_limits_and_marks(folder: Path):
    entry = {"name": "  forward", "value": 12.84, "unit": "img/s", "limit": 16.4, "limit_name": "matmul peak"}
    entry |= {"fraction": 0.78, "mark": "fraction >= 0.8", "met": False, "peak_bytes": 5.2e8, "note": ""}
    write(folder, "b.json", {"benchmarks": {"network": {"entries": [entry]}}})
    assert lines('results/b.json group="network" rows="forward=240x320"', folder)[2:] == [
        "| 240x320 | 12.8 img/s | 16.4 | matmul peak | .78 | fraction >= 0.8 missed | 520 |"
    ]
    write(folder, "b.json", {"benchmarks": {"network": {"entries": [entry, entry | {"value": 9.0}]}}})
    assert [line[:15] for line in lines('results/b.json columns="value"', folder)[2:]] == [
        "| forward | 12.",
        "| forward | 9 i",
    ]
    with pytest.raises(tables.TableError, match="2 entries are called 'forward'"):
        lines('results/b.json rows="forward"', folder)


def test_a_run_has_its_command_date_and_versions(folder: Path):
    write(folder, "one.json", pairs_summary(0.6))
    assert lines("results/one.json", folder, kind="run") == [
        "```sh",
        "python tools/evaluate.py hpatches --methods ORB 'a name=net'",
        "```",
        "",
        "*2026-11-27, numpy 1.26.4*",
        "",
    ]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("results/none.json", "no such file: results/none.json; there are results/one.json"),
        ('results/one.json rows="SIFT"', "no method of results/one.json is called 'SIFT'; there are: ORB; net"),
        ('results/one.json columns="hits"', "no column is called 'hits'"),
        ('results/one.json group="x"', "no group is called 'x'; there are: v; i"),
        ('results/one.json rows="net" group="i"', "net has no pairs of group i"),
        ('results/one.json row="net"', "row is not one of group, rows, columns, setting"),
    ],
)
def test_a_mark_that_cannot_be_filled_says_what_there_is(folder: Path, request_: str, message: str):
    write(folder, "one.json", pairs_summary(0.6))
    with pytest.raises(tables.TableError, match=re.escape(message)):
        lines(request_, folder)


def test_a_mark_without_an_end_is_an_error(folder: Path):
    with pytest.raises(tables.TableError, match="<!-- end -->"):
        tables.filled("<!-- table: results/one.json -->\n", folder)


def test_a_link_to_nowhere_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A `b`, c\n[x](page.md#a-b-c) [y](#none) [z](gone.md) [w](https://example.org)\n")
    assert broken_links(page) == ["#none", "gone.md"]
