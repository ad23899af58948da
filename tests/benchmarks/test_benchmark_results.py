"""Entries as a table and as JSON."""

from __future__ import annotations

import json

import pytest

from superpoint_tf.benchmarks.entries import (
    Entry,
    Mark,
    convolution_entry,
    copying_entry,
    format_entries,
    format_number,
    rate_entry,
)
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.timing import Timing

TIMING = Timing((0.5, 0.25, 1.0))
LIMITS = Limits(matmul_flops=100e9, copy_bytes=10e9, device_copy_bytes=20e9)


def test_a_rate_is_items_over_the_median_and_its_limit_what_the_peak_allows() -> None:
    entry = convolution_entry("forward", TIMING, 8, "img/s", 1e9, LIMITS)
    assert entry.value == 16.0
    assert entry.limit == 100.0 and entry.fraction == pytest.approx(0.16)
    assert entry.note == "16 GFLOP/s"
    assert copying_entry("draw", TIMING, 8, "img/s", 1e6, LIMITS.copy_bytes).limit == 1e4


def test_a_mark_compares_the_value_or_the_fraction() -> None:
    entry = Entry("x", 3.0, "s", limit=2.0)
    assert entry.met is None
    assert Entry("x", 3.0, "s", 2.0, mark=Mark("value", at_least=3)).met
    assert not Entry("x", 3.0, "s", 2.0, mark=Mark("fraction", at_most=1.2)).met
    assert str(Mark("fraction", at_most=1.2)) == "fraction <= 1.2"


def test_the_table_is_aligned_and_leaves_out_columns_without_values() -> None:
    entries = [
        rate_entry("draw_sample", TIMING, 100, "img/s", limit=400.0, limit_name="copy", mark=Mark("value", 500)),
        Entry("peak", 12.5, "MB", peak_bytes=12.5e6),
    ]
    assert format_entries(entries).splitlines() == [
        "name         value  unit   spread  limit  set by  fraction  mark                 peak MB",
        "----------------------------------------------------------------------------------------",
        "draw_sample    200  img/s     75%    400  copy        0.50  value >= 500 MISSED        -",
        "peak          12.5  MB          -      -  -              -  -                       12.5",
    ]


def test_json_holds_every_repeat_and_what_the_table_shows() -> None:
    entry = rate_entry("x", TIMING, 1, "img/s", limit=4.0, mark=Mark("fraction", 0.5), details={"workers": 2})
    values = json.loads(json.dumps(entry.as_json()))
    assert values["seconds"] == [0.5, 0.25, 1.0] and values["quartiles_s"] == [0.375, 0.75]
    assert (values["value"], values["limit"], values["fraction"], values["met"]) == (2.0, 4.0, 0.5, True)
    assert values["mark"] == "fraction >= 0.5" and values["details"] == {"workers": 2}


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (12.345, "12.3"), (0.01234, "0.0123"), (None, "-"), (float("nan"), "-")]
)
def test_numbers_show_three_digits(value: float | None, text: str) -> None:
    assert format_number(value) == text
