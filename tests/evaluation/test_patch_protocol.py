"""The protocol `patches`: from a folder to tables, for vectors, bits, scores and what sees nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from patch_folders import write_brown, write_strips

from superpoint_tf.config import Config
from superpoint_tf.data.patch_sets.brown import open_brown
from superpoint_tf.data.patch_sets.hpatches_strips import find_strips
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.methods.opencv_algorithms import rows_here
from superpoint_tf.evaluation.methods.patch_method import PatchMethod
from superpoint_tf.evaluation.methods.patch_methods import load_patch_methods, pixels
from superpoint_tf.evaluation.patch_metrics import fpr95
from superpoint_tf.evaluation.protocols.patch_run import measure_patches
from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.results import Row
from superpoint_tf.runtime.progress import Console


def request(data: Path, output: Path, methods: Sequence[PatchMethod]) -> Request:
    return Request(Config(), methods, str(output), {"data": str(data)}, Console(), str(data))


def rows_of(data: Path, output: Path, *methods: PatchMethod) -> dict[tuple[str, str], Row]:
    rows = measure_patches(request(data, output, methods), methods).rows()
    return {(str(row["group"]), str(row["method"])): row for row in rows}


def dots(patches: np.ndarray) -> np.ndarray:
    return patches.reshape(len(patches), -1)


def negative_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return -np.square(first.astype(np.float64) - second).sum(axis=1)


def test_a_run_writes_tables_lines_and_a_page(tmp_path: Path):
    data = write_strips(tmp_path / "data")
    methods = load_patch_methods(["pixels", "SIFT", "controls"])
    evaluation = PROTOCOLS["patches"].run(request(data, tmp_path / "out", methods))
    lines = console_text(evaluation.console).splitlines()
    assert lines[1].split("  ")[0] == "method" and "[v easy: 4 pairs]" in lines and "[i hard: 2 pairs]" in lines
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    easy = {row["method"]: row for row in summary["rows"] if row["group"] == "v easy"}
    assert easy["pixels"]["matching_map"] == easy["SIFT"]["success_rate"] == easy["SIFT"]["retrieval_map"] == 1
    assert easy["pixels"]["fpr95"] == 0 and easy["random (control)"]["matching_map"] < 0.5
    means = {row["method"]: row for row in summary["rows"] if row["group"] == "mean of the groups"}
    of_groups = [row["auc"] for row in summary["rows"] if row["method"] == "SIFT"][:-1]
    assert means["SIFT"]["auc"] == pytest.approx(np.mean(of_groups)) and means["SIFT"]["pairs"] == 12
    csv = (tmp_path / "out" / "pairs.csv").read_text().splitlines()
    assert csv[0] == "group,sequence,strip,method,matching_map,success_rate" and len(csv) == 1 + 12 * 3
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Patch evaluation" in page and "Verification: the share of negative pairs" in page
    assert "**v easy** (4 pairs)" in (tmp_path / "out" / "table.md").read_text()


def test_a_score_of_pairs_gives_what_the_distance_that_it_says_gives(tmp_path: Path):
    data = write_strips(tmp_path / "data", count=5)
    scored = PatchMethod("scored", {}, pixels, score=negative_distance)
    rows = rows_of(data, tmp_path / "out", PatchMethod("vectors", {}, pixels), scored)
    for group in ("v hard", "i easy"):
        vectors, scores = ({**rows[group, name], "method": ""} for name in ("vectors", "scored"))
        assert vectors == pytest.approx(scores)


def test_what_would_take_too_long_is_left_out(tmp_path: Path):
    data = write_strips(tmp_path / "data", count=5)
    slow = PatchMethod("slow", {}, pixels, score=negative_distance, most_pairs=20)
    row = rows_of(data, tmp_path / "out", slow)["v easy", "slow"]
    assert "fpr95" in row and "matching_map" not in row and "retrieval_map" not in row  # 4 strips of 25 pairs


def test_the_second_patch_of_a_pair_has_its_own_branch(tmp_path: Path):
    data = write_strips(tmp_path / "data", count=5)
    untied = PatchMethod("untied", {}, pixels, describe1=lambda patches: -pixels(patches))
    row = rows_of(data, tmp_path / "out", untied)["v easy", "untied"]
    assert row["matching_map"] == 0 and row["auc"] == 0  # what is alike is farthest


def test_bit_strings_are_compared_by_their_bits(tmp_path: Path):
    bits = PatchMethod("bits", {}, lambda patches: np.packbits(dots(patches)[:, ::8] > 127, axis=1))
    signs = PatchMethod("signs", {}, lambda patches: (dots(patches)[:, ::8] > 127).astype(np.float32))
    rows = rows_of(write_strips(tmp_path / "data"), tmp_path / "out", bits, signs)
    for group in ("v easy", "v hard"):
        first, second = ({**rows[group, name], "method": ""} for name in ("bits", "signs"))
        assert first == pytest.approx(second)


def test_browns_pairs_give_the_false_positive_rate(tmp_path: Path):
    patches = write_brown(tmp_path / "data" / "liberty").astype(np.float64)
    noisy = PatchMethod("corner", {}, lambda patches: dots(patches)[:, :6].astype(np.float32))
    row = rows_of(tmp_path / "data", tmp_path / "out", noisy)["liberty", "corner"]
    pairs = open_brown(tmp_path / "data" / "liberty").read_pairs()
    first, second = (patches[pairs.indices[:, side], 0, :6] for side in (0, 1))
    distances = np.linalg.norm(first - second, axis=1)
    expected = 100 * fpr95(distances[pairs.matches], distances[~pairs.matches])
    assert 0 < expected < 100 and row["fpr95"] == pytest.approx(expected) and row["pairs"] == 200
    assert "matching_map" not in row and "auc" in row


@pytest.mark.parametrize("name", rows_here(["pixels", "SIFT", "RootSIFT", "ORB", "BRISK"]))
def test_classical_descriptors_tell_noisy_patches_apart(tmp_path: Path, name: str):
    row = rows_of(write_strips(tmp_path / "data"), tmp_path / "out", *load_patch_methods([name]))["v easy", name]
    assert float(row["matching_map"]) > 0.9


def test_a_function_of_patches_is_a_method(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("def describe(patches):\n    return patches[:, ::8, ::8].reshape(len(patches), -1) / 255\n")
    (method,) = load_patch_methods([f"Mine={path}:describe"])
    strip = find_strips(write_strips(tmp_path / "data"))[0].read("ref")
    assert method.name == "Mine" and method.describe(strip).shape == (6, 81)
    path.write_text("def describe(patches):\n    return patches[:3, 0]\n")
    with pytest.raises(ValueError, match=r"returned uint8 \(3, 65\) for 6 patches; expected numbers \(6, D\)"):
        load_patch_methods([f"{path}:describe"])[0].describe(strip)


def test_what_is_no_method_is_named():
    with pytest.raises(ValueError, match="no file or folder nothing, and no method of that name; there are classical"):
        load_patch_methods(["nothing"])
    with pytest.raises(ValueError, match="two rows are called 'SIFT'"):
        load_patch_methods(["classical", "SIFT"])
