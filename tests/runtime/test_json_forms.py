"""A form names each part of a value from JSON that does not fit it."""

from __future__ import annotations

from typing import Any

import pytest

from superpoint_tf.runtime.json_forms import misfits

FORM = {"name": str, "counts": {"all": int, "mean": (int, float)}, "files": [{"path": str}], "rest": dict}
VALUE = {"name": "a", "counts": {"all": 3, "mean": 1.5}, "files": [{"path": "b"}], "rest": {}, "more": None}


@pytest.mark.parametrize("value", [VALUE, VALUE | {"files": []}, VALUE | {"counts": {"all": 3, "mean": 1}}])
def test_what_has_the_keys_and_more_fits(value: dict[str, Any]):
    assert list(misfits(value, FORM)) == []


@pytest.mark.parametrize(
    "change, keys",
    [
        ({"name": None}, ["name"]),
        ({"counts": {"all": "3"}}, ["counts.all", "counts.mean"]),
        ({"counts": [3]}, ["counts"]),
        ({"files": {}}, ["files"]),
        ({"files": [{"path": "b"}, {}]}, ["files"]),
        ({"name": 1, "rest": 2}, ["name", "rest"]),
    ],
)
def test_each_part_that_does_not_fit_is_named(change: dict[str, Any], keys: list[str]):
    assert list(misfits(VALUE | change, FORM)) == keys


@pytest.mark.parametrize("value", [None, [], 3])
def test_a_value_that_is_no_mapping_is_named_as_a_whole(value: Any):
    assert list(misfits(value, FORM)) == ["it"]
