"""What was made with other settings is said by key, with both values."""

from __future__ import annotations

import json

from superpoint_tf.config.differences import differences


def test_each_setting_that_differs_is_named_once_with_both_values():
    before = {"seed": 0, "draw": {"kind": "star", "sides": {"lowest": 3}}, "same": 1.5}
    now = {"seed": 1, "draw": {"kind": "cube", "sides": {"lowest": 4}}, "same": 1.5}
    assert differences(before, now) == ["seed: 0 -> 1", "draw.kind: 'star' -> 'cube'", "draw.sides.lowest: 3 -> 4"]


def test_a_setting_that_one_side_lacks_is_none():
    assert differences({"a": 1}, {"b": 2}) == ["a: 1 -> None", "b: None -> 2"]
    assert differences({}, {"a": None}) == differences({"a": None}, {}) == []


def test_a_section_in_the_place_of_a_value_differs_from_it():
    assert differences({"a": 1}, {"a": {"b": 1}}) == ["a: 1 -> None", "a.b: None -> 1"]


def test_what_went_through_json_is_unchanged():
    settings = {"image_shape": (240, 320), "scales": (1.0, 1.5), "draw": {"primitives": ()}}
    assert differences(json.loads(json.dumps(settings)), settings) == []
    assert differences(settings, settings | {"scales": [1.0]}) == ["scales: [1.0, 1.5] -> [1.0]"]


def test_ignored_keys_are_left_out_with_all_that_is_in_them_and_no_others():
    before, now = {"files": 1, "files_there": 1}, {"files": {"a": 2}, "files_there": 2}
    assert differences(before, now, ignore=["files"]) == ["files_there: 1 -> 2"]
    assert differences({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 2}}, ignore=["a.b"]) == ["a.c: 1 -> 2"]


def test_hashes_are_shown_by_their_first_digits_and_compared_by_all():
    assert differences({"labels": "a" * 64}, {"labels": "a" * 63 + "b"}) == ["labels: aaaaaaaaaaaa -> aaaaaaaaaaaa"]
    assert differences({"name": "a" * 63}, {"name": "b"}) == [f"name: '{'a' * 63}' -> 'b'"]
