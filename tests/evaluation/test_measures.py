"""A measure is one row of one table: added there, it is computed, averaged and shown wherever the row says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.evaluation.in_memory import evaluate_pairs
from superpoint_tf.evaluation.measures import (
    COMPARED,
    CURVES,
    DETECTOR,
    LOW,
    MEASURES,
    PAIRS,
    REPORT,
    SEQUENCES,
    TABLES,
    THRESHOLD,
    Measure,
)
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.report.markdown import markdown_text
from superpoint_tf.evaluation.report.report import html_report
from superpoint_tf.evaluation.results import Evaluation
from superpoint_tf.features import Features

SETTING = PairProtocol((100, 200), 3, 4)
SPREAD = Measure(
    "spread",
    1,
    LOW,
    DETECTOR,
    lambda pair: float(np.ptp(pair.features[0].keypoints[:, 0])),
    average=lambda values: float(np.median(values)),
    shown=(TABLES, REPORT, SEQUENCES, COMPARED),
    name="width of what is found",
    meaning="From the leftmost keypoint to the rightmost, at {within}.",
)


def corners(right: float) -> Features:
    return Features(np.array([[20, 20], [right, 30]], np.float32), np.ones(2, np.float32))


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """Two methods on three pairs, and one more measure than there are."""
    monkeypatch.setitem(MEASURES, "spread", SPREAD)
    frame = np.zeros((100, 200), np.uint8)
    pairs = [ImagePair(f"{n}", "v", View(f"{n}a", frame + n), View(f"{n}b", frame), np.eye(3), "s") for n in range(3)]
    methods = {
        "fixed": lambda image, radius: corners(20 + 1.5),
        "wide": lambda image, radius: corners(60 + 50 * int(image[0, 0] == 2)),
    }
    results = {"low": evaluate_pairs(pairs, methods, SETTING)}
    return MeasuredPairs(
        "hpatches", {}, {name: {} for name in methods}, {"low": SETTING}, results, {}, [("fixed", "wide")]
    ).evaluation()


def test_a_new_row_is_a_column_of_every_table_and_a_value_of_every_file(evaluation: Evaluation, tmp_path: Path):
    console = console_text(evaluation.console).splitlines()
    assert "  spread  " in console[1] and "   1.5  " in console[3] and "  40.0  " in console[4]  # 40, 40, 90
    markdown = markdown_text(evaluation.markdown).splitlines()
    assert "spread" in markdown[0].partition(": 100x200")[0]  # of the detector's columns
    assert "| spread |" in markdown[2] and "| 40.0 |" in markdown[6]
    assert "| wide - fixed | low | v | spread | +55.1667 | 16.6667 | 3 | 0 | * |" in markdown  # 38.5, 38.5, 88.5
    page = html_report(evaluation)
    assert '<th scope="col">spread</th>' in page and "<td><strong>1.5</strong></td>" in page  # less is better
    assert "<dt>spread, width of what is found</dt><dd>From the leftmost keypoint to the rightmost, at 3 px." in page
    assert "<summary>width of what is found</summary>" in page
    evaluation.save(tmp_path)
    rows = json.loads((tmp_path / "summary.json").read_text())["rows"]["low"]
    assert [row["spread"] for row in rows] == [1.5, 40]
    lines = (tmp_path / "pairs.csv").read_text().splitlines()
    assert lines[0].endswith(",spread") and lines[-1].endswith(",90")


def test_every_shown_measure_has_its_meaning_and_every_curve_its_values():
    for name, measure in MEASURES.items():
        assert not measure.shown or measure.shown == (COMPARED,) or measure.meaning, name
        assert not measure.source or MEASURES[measure.source].of_pair, name
    for stem, curve in CURVES.items():
        names = [f"{curve.y}_{t}" for t in range(1, 11)] if curve.x == THRESHOLD else [curve.y]
        assert set(names) <= set(MEASURES) and curve.x in (THRESHOLD, PAIRS, *MEASURES), stem
