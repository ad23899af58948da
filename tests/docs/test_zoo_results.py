"""The tables of docs/zoo.md, from what was measured of a few rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import tables
import zoo_results
from zoo_table import VARIANTS, all_rows

FACTS = {"gives": "vectors", "dimension": 128, "loss": "triplet", "steps": 10, "points": 2560, "cpu_s": 20.0}


def measured(strips: dict[str, float], synthetic: dict[str, float]) -> dict[str, list[dict[str, Any]]]:
    return {
        "synthetic": [{"method": name, "group": "pairs", "fpr95": value} for name, value in synthetic.items()],
        "strips": [
            {"method": name, "group": group, "fpr95": value + extra, "matching_map": 0.5}
            for name, value in strips.items()
            for group, extra in (("v easy", 50.0), (zoo_results.MEAN, 0.0))
        ],
    }


def test_a_claim_holds_where_it_holds_on_both_sets():
    systems = dict.fromkeys(("2ch", "siam", "siam-l2"), FACTS)
    rows = measured({"2ch": 1.0, "siam": 2.0, "siam-l2": 3.0}, {"2ch": 1.0, "siam": 4.0, "siam-l2": 3.0})
    claims = zoo_results.zoo_tables(systems, rows)["orderings"]["rows"]
    assert [(row["better"], row["worse"], row["holds"]) for row in claims] == [
        ("`siam`", "`siam-l2`", "on one set"),
        ("`2ch`", "`siam`", "yes"),
    ]
    assert claims[1]["strips"] == "1.0 / 2.0"


def test_every_claim_compares_rows_of_the_table():
    known = {*all_rows(), *VARIANTS, "binary-l2net", "binary-cs-l2net", "ORB", "BRISK"}
    assert {name for claim in zoo_results.all_claims() for name in claim[1:]} <= known


def test_the_table_is_written_from_the_file(tmp_path: Path):
    ready = zoo_results.zoo_tables({"tfeat": FACTS}, measured({"tfeat": 9.0, "SIFT": 8.0}, {"tfeat": 7.0, "SIFT": 6.0}))
    (tmp_path / "zoo.json").write_text(json.dumps({"tables": ready}))
    text = '<!-- table: zoo.json columns="row, dimension, points_per_s, strips, matching" -->\n<!-- end -->'
    assert tables.filled(text, tmp_path).splitlines()[1:-1] == [
        "|  | dim | points/s | FPR95 %, strips | match. mAP, strips |",
        "| --- | --- | --- | --- | --- |",
        "| `tfeat` | 128 | 128 | 9.0 | .500 |",
        f"| SIFT | {tables.ABSENT} | {tables.ABSENT} | 8.0 | .500 |",
    ]
