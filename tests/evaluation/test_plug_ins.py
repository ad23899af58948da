"""Extractors from outside: found by module or file, checked, and blamed by name."""

from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.evaluation.methods.plug_ins import load_plug_in

CORNERS = """
import numpy as np
def corners(image):
    height, width = image.shape
    return np.array([[0, 0], [width - 1, height - 1]]), np.array([0.5, 1.0]), None
def two(image): return np.zeros((1, 2)), np.ones(1)
def wrong(image): return np.zeros((4, 3)), np.ones(4), None
def nothing(image): return None
def outside(image): return [[0, 0], [30, 5], [1e6, 0], [-3, 2]], [4, 3, 2, 1], None
def broken(image): raise KeyError("weights")
VALUE = 3
"""
IMAGE = np.zeros((20, 30), np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_corners.py").write_text(CORNERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", ["my_corners.py", "my_corners"])
def test_a_function_is_found_by_file_and_by_module(folder, place):
    features = load_plug_in(f"{place}:corners").extract(IMAGE)
    assert features.keypoints.tolist() == [[0, 0], [29, 19]] and features.keypoints.dtype == np.float32
    assert features.descriptors is None


def test_descriptors_may_be_left_out(folder):
    assert load_plug_in("my_corners.py:two").extract(IMAGE).descriptors is None


def test_keypoints_outside_the_frame_are_dropped(folder):
    assert load_plug_in("my_corners.py:outside").extract(IMAGE).keypoints.tolist() == [[0, 0]]


def test_a_file_may_import_its_neighbours(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "neighbour_of_mine.py").write_text("from math import inf")
    (folder / "sub" / "mine.py").write_text("import neighbour_of_mine\ndef f(image): return [], [], None")
    assert len(load_plug_in("sub/mine.py:f").extract(IMAGE).keypoints) == 0


def test_the_identity_follows_the_code(folder):
    before = load_plug_in("my_corners.py:corners").identity
    assert load_plug_in("my_corners.py:corners").identity == before
    (folder / "my_corners.py").write_text(CORNERS + "\n# changed\n")
    assert load_plug_in("my_corners.py:corners").identity != before


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("absent.py:corners", "no file absent.py"),
        ("absent_module:corners", "no module absent_module"),
        ("my_corners.py:missing", "has no function missing; it has corners, two"),
        ("my_corners.py:VALUE", "has no function VALUE"),
    ],
)
def test_what_cannot_be_loaded_is_named(folder, target, words):
    with pytest.raises(ValueError, match=words):
        load_plug_in(target)


def test_a_file_that_fails_to_import_is_named(folder):
    (folder / "bad.py").write_text("import module_that_is_not_there")
    with pytest.raises(ValueError, match=r"bad\.py:f: importing bad\.py failed with ModuleNotFoundError"):
        load_plug_in("bad.py:f")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong", r"my_corners\.py:wrong: keypoints have shape \(4, 3\)"),
        ("nothing", "nothing returned a NoneType; expected a tuple"),
        ("broken", "broken failed on an image of .20, 30.: KeyError"),
    ],
)
def test_what_a_function_returns_is_checked(folder, name, words):
    with pytest.raises(ValueError, match=words):
        load_plug_in(f"my_corners.py:{name}").extract(IMAGE)
