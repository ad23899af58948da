"""Paired differences of arrays so small that mean and standard error can be checked by eye."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from superpoint_tf.evaluation.comparison import check_comparisons, paired_differences
from superpoint_tf.evaluation.pair_averages import PairResult
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.pair_comparisons import comparison_tables, comparisons_table
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.report.markdown import markdown_text
from superpoint_tf.evaluation.sets.exchange import EXCHANGED

NAN, INF = float("nan"), float("inf")
PROTOCOL = PairProtocol((24, 32), 10, 4)


def one(value: str, first: list[float], second: list[float], key: str = ""):
    sides = ({str(n): {key or value: x} for n, x in enumerate(side)} for side in (first, second))
    (found,) = [d for d in paired_differences(*sides) if d.value == value]
    return found


def test_the_mean_difference_has_the_standard_error_of_the_differences_not_of_the_values():
    found = one("repeatability", [0.1, 0.5, 0.9], [0.2, 0.6, 1.3])  # differences .1, .1, .4
    assert found.mean == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(math.sqrt(0.03) / math.sqrt(3))  # variance (.01 + .01 + .04) / 2
    assert (found.pairs, found.left_out) == (3, 0)


def test_a_difference_is_marked_beyond_two_standard_errors_and_not_at_them():
    assert one("mma_1", [0, 0, 0], [3, 1, 2]).significant  # 2 and .577
    assert not one("mma_1", [0, 0, 0], [3, -1, 1]).significant  # 1 and 1.155
    assert one("mma_1", [0, 0], [1, 1]).significant and not one("mma_1", [1, 1], [1, 1]).significant
    assert one("localization_px", [2, 2, 2], [0, 1, 1]).significant  # less, too


def test_pairs_where_either_is_nan_are_left_out_and_counted():
    found = one("localization_px", [1.0, NAN, 2.0, 1.0], [1.5, 1.0, 2.5, NAN])
    assert (found.mean, found.pairs, found.left_out) == (0.5, 2, 2)
    nothing = one("localization_px", [NAN], [1.0])
    assert math.isnan(nothing.mean) and nothing.pairs == 0 and not nothing.significant


def test_a_pair_that_one_side_lacks_is_left_out_and_counted():
    first, second = {"a": {"mma_3": 0.25}, "b": {"mma_3": 0.5}}, {"b": {"mma_3": 0.75}, "c": {"mma_3": 1.0}}
    (found,) = paired_differences(first, second)
    assert (found.mean, found.pairs, found.left_out) == (0.25, 1, 2)


def test_pairs_of_one_picture_are_averaged_first_so_that_the_standard_error_is_of_pictures():
    before = {name: {"mma_3": 0.0} for name in ("a1", "a2", "a3", "b1", "c1")}
    after = {name: {"mma_3": value} for name, value in zip(before, (0.1, 0.2, 0.3, 0.4, NAN), strict=True)}
    (found,) = paired_differences(before, after, lambda name: name[0])  # a: .2, b: .4, c: nothing
    assert (found.mean, found.pairs, found.left_out) == (pytest.approx(0.3), 2, 1)
    assert found.standard_error == pytest.approx(0.1)


def test_one_pair_has_a_mean_and_no_standard_error():
    found = one("repeatability", [0.25], [0.75])
    assert found.mean == 0.5 and math.isnan(found.standard_error) and not found.significant


def test_homographies_are_right_or_wrong_on_each_pair_and_no_model_is_wrong():
    first, second = [0.5, 2.0, INF, 4.0], [2.0, 0.5, 0.9, INF]
    assert one("h_1", first, second, "corner_error_px").mean == pytest.approx((-1 + 1 + 1 + 0) / 4)
    assert one("h_3", first, second, "corner_error_px").mean == pytest.approx((0 + 0 + 1 + 0) / 4)
    assert one("h_5", first, second, "corner_error_px").mean == pytest.approx((0 + 0 + 1 - 1) / 4)


def test_a_value_that_only_one_method_has_is_not_compared():
    detector, both = {"a": {"repeatability": 0.5}}, {"a": {"repeatability": 0.5, "mma_3": 0.5, "corner_error_px": 1.0}}
    assert [d.value for d in paired_differences(detector, both)] == ["repeatability"]


def test_a_row_that_there_is_not_is_named_with_those_there_are():
    assert check_comparisons([["A", "B"], ["B", "A"]], ["A", "B"]) == [("A", "B"), ("B", "A")]
    with pytest.raises(ValueError, match=r"--compare 'C': no row of that name; there are 'A', 'B'"):
        check_comparisons([["A", "C"]], ["A", "B"])


def evaluation(**changes) -> MeasuredPairs:
    """Two methods on two pairs of two groups; B repeats .25 and .75 better."""
    results = [
        PairResult(method, f"pair {n}", group, {"repeatability": base + gain})
        for group in ("random", "random" + EXCHANGED)
        for n, base in enumerate((0.125, 0.0))
        for method, gain in (("A", 0.0), ("B", (0.25, 0.75)[n]))
    ]
    fields = {"compared": [("A", "B")]} | changes
    return MeasuredPairs("random-homography", {}, {"A": {}, "B": {}}, {"s": PROTOCOL}, {"s": results}, **fields)


def on_console(measured: MeasuredPairs) -> str:
    return console_text(comparison_tables(measured.comparisons("s"), "s"))


def in_markdown(measured: MeasuredPairs) -> str:
    return markdown_text(comparisons_table({"s": measured.comparisons("s")}))


def test_each_group_is_compared_alone_and_each_method_with_itself_under_exchanged_axes():
    found = evaluation().comparisons("s")
    assert [(c.first, c.second, c.group) for c in found] == [
        ("A", "B", "random"),
        ("A", "B", "random" + EXCHANGED),
        ("A", "A" + EXCHANGED, "random"),
        ("B", "B" + EXCHANGED, "random"),
    ]
    assert [c.differences[0].mean for c in found] == [0.5, 0.5, 0, 0]


def test_the_tables_show_difference_standard_error_and_counts():
    text = on_console(evaluation())
    assert text.startswith("B - A, s: mean of the paired differences with its standard error over pairs; * beyond two")
    assert text.splitlines()[3:5] == ["[random]", "repeat.  +0.5000     0.2500          2               0"]
    assert "| B - A | s | random | repeat. | +0.5000 | 0.2500 | 2 | 0 |  |" in in_markdown(evaluation())


def test_the_summary_holds_the_comparisons_and_nothing_where_none_was_asked_for(tmp_path: Path):
    evaluation().evaluation().save(tmp_path)
    found = json.loads((tmp_path / "summary.json").read_text())["comparisons"]["s"][0]
    assert (found["first"], found["second"], found["group"]) == ("A", "B", "random")
    assert found["differences"]["repeatability"] == {
        "value": "repeatability", "mean": 0.5, "standard_error": 0.25, "pairs": 2, "left_out": 0, "significant": False
    }  # fmt: skip
    alone = [r for r in evaluation().results["s"] if r.group == "random"]
    plain = MeasuredPairs("random-homography", {}, {"A": {}, "B": {}}, {"s": PROTOCOL}, {"s": alone})
    plain.evaluation().save(tmp_path)
    assert "comparisons" not in json.loads((tmp_path / "summary.json").read_text())
    assert on_console(plain) == in_markdown(plain) == ""
