"""What can be asked of an export, and how a refusal reads."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from superpoint_tf.config import DetectionConfig
from superpoint_tf.export.form import Form
from superpoint_tf.export.request import Request, check_output, parse_image_shape, resolve_form, table_requests


def test_the_shape_is_two_numbers_dynamic_or_left_to_the_format():
    assert parse_image_shape(["480", "640"]) == (480, 640)
    assert parse_image_shape(["dynamic"]) is None
    assert resolve_form("onnx", parse_image_shape(None), None).image_shape is None
    assert resolve_form("tflite", parse_image_shape(None), None).image_shape == (480, 640)
    assert resolve_form("tflite", parse_image_shape(["dynamic"]), None).image_shape is None


@pytest.mark.parametrize("words", [["480"], ["480", "640", "1"], ["0", "640"], ["48.5", "64"], ["any"]])
def test_another_shape_is_refused_by_its_words(words: list[str]):
    with pytest.raises(ValueError, match=f"--image-shape {' '.join(words)}: give a height and a width"):
        parse_image_shape(words)


def test_a_savedmodel_below_float32_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"--precision int8: .* choose --format tflite or onnx"):
        Request("savedmodel", "int8").check()


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find("json"))
    with pytest.raises(ValueError, match=r"onnx needs tf2onnx: run `pip install -e '.\[export\]'`"):
        Request("onnx").check()
    Request("tflite").check()


@pytest.mark.parametrize(
    ("format_name", "output", "words"),
    [
        ("onnx", "small.tflite", r"of another format; end it with \.onnx"),
        ("tflite", "thesis", "a folder that no export made"),
        ("savedmodel", "notes.txt", "a SavedModel is a folder and a file is there"),
        ("onnx", "notes.txt/small.onnx", "no folder that can be written"),
    ],
)
def test_a_place_where_no_file_of_the_format_can_be_is_refused(
    tmp_path: Path, format_name: str, output: str, words: str
):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ValueError, match=words):
        check_output(format_name, tmp_path / output)
    check_output(format_name, tmp_path / "new folder" / "small")
    assert {path.name for path in tmp_path.iterdir()} == {"thesis", "notes.txt"}


def test_exports_that_differ_have_names_that_differ():
    keypoints = Form(detection=DetectionConfig())
    shaped = Form((480, 640))
    requests = [Request("onnx"), Request("tflite", "int8", shaped), Request("onnx", "float16", keypoints)]
    names = [request.default_output("small").name for request in requests]
    assert names == ["small.onnx", "small-480x640-int8.tflite", "small-keypoints-float16.onnx"]


def test_the_table_holds_every_pair_of_format_and_precision_that_is_not_refused():
    pairs = {(request.format, request.precision) for request in table_requests("", None)}
    assert len(pairs) == 7 and ("savedmodel", "float32") in pairs and ("onnx", "int8") in pairs
