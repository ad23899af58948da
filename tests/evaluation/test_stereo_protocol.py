"""The protocol `stereo`: errors by their definition, and from a folder to tables."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config
from superpoint_tf.evaluation.disparity_measures import MeasuredDisparities, values_of
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.methods.stereo_methods import load_stereo_methods
from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS
from superpoint_tf.runtime.progress import Console

NAN = float("nan")


def test_bad_pixels_are_those_beyond_the_limit_of_the_answered_known_ones() -> None:
    truth = np.array([[NAN, 5.0, 5.0, 5.0, 5.0, 5.0]])
    found = np.array([[1.0, 6.0, 6.5, 9.0, NAN, 5.0]])
    occluded = np.array([[False, False, False, True, False, False]])
    values = values_of(MeasuredDisparities.of(found, truth, occluded))
    assert values["bad_1"] == 0.5 and values["bad_2"] == values["bad_3"] == 0.25 and values["density"] == 0.8
    assert values["bad_1_visible"] == pytest.approx(1 / 3) and values["bad_3_visible"] == 0
    assert values["mean_error_px"] == pytest.approx((1 + 1.5 + 4 + 0) / 4)


def test_by_loops_it_is_the_same() -> None:
    generator = np.random.default_rng(0)
    truth, found = generator.uniform(0, 8, (2, 7, 9))
    truth[generator.random((7, 9)) < 0.2] = NAN
    found[generator.random((7, 9)) < 0.2] = NAN
    values = values_of(MeasuredDisparities.of(found, truth))
    for limit in (1, 2, 3):
        bad = answered = known = 0
        for y, x in np.ndindex(7, 9):
            known += not np.isnan(truth[y, x])
            if not np.isnan(truth[y, x]) and not np.isnan(found[y, x]):
                answered += 1
                bad += abs(found[y, x] - truth[y, x]) > limit
        assert values[f"bad_{limit}"] == pytest.approx(bad / answered)
        assert values["density"] == pytest.approx(answered / known)
    assert "bad_1_visible" not in values


def test_nothing_known_or_all_occluded_has_no_value() -> None:
    assert values_of(MeasuredDisparities.of(np.zeros((2, 2)), np.full((2, 2), NAN))) == {}
    hidden = values_of(MeasuredDisparities.of(np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1), bool)))
    assert hidden["bad_1"] == 0 and "bad_1_visible" not in hidden


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two scenes of Middlebury's layout: planes of noise at 4 and at 6 pixels."""
    for name, shift in (("far", 4), ("near", 6)):
        wide = np.random.default_rng(shift).integers(0, 256, (30, 70), np.uint8)
        scene = tmp_path / "data" / name
        scene.mkdir(parents=True)
        cv2.imwrite(str(scene / "im2.png"), wide[:, :60])
        cv2.imwrite(str(scene / "im6.png"), wide[:, shift : shift + 60])
        cv2.imwrite(str(scene / "disp2.png"), np.full((30, 60), 8 * shift, np.uint8))
    return tmp_path / "data"


def request(data: Path, output: Path, names: list[str], num: int | None = None) -> Request:
    return Request(Config(), load_stereo_methods(names), str(output), {"data": str(data)}, Console(), str(data), num)


def test_a_run_writes_tables_lines_and_pictures(folder: Path, tmp_path: Path) -> None:
    names = ["AD, 9x9 means", "census", "SGBM", "controls"]
    PROTOCOLS["stereo"].run(request(folder, tmp_path / "out", names))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    rows = {(row["group"], row["method"]): row for row in summary["rows"]}
    assert {group for group, _ in rows} == {"mean of the pairs", "far, 8 disparities", "near, 8 disparities"}
    for pair in ("far", "near"):
        assert rows[f"{pair}, 8 disparities", "AD, 9x9 means"]["bad_1"] < 0.2  # the outermost columns
        assert rows[f"{pair}, 8 disparities", "random (control)"]["bad_1"] > 0.5
    means = [rows[f"{pair}, 8 disparities", "census"]["bad_1"] for pair in ("far", "near")]
    assert rows["mean of the pairs", "census"]["bad_1"] == pytest.approx(np.mean(means))
    lines = (tmp_path / "out" / "pairs.csv").read_text().splitlines()
    assert lines[0].startswith("pair,method,num_disparities,bad_1") and len(lines) == 1 + 2 * 4
    assert (tmp_path / "out" / "figures" / "example_01.png").exists()
    assert "Stereo evaluation" in (tmp_path / "out" / "report.html").read_text()


def test_a_pair_that_cannot_be_read_is_named_and_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "far" / "im6.png").write_bytes(b"broken")
    asked = request(folder, tmp_path / "out", ["census"], num=16)
    PROTOCOLS["stereo"].run(asked)
    assert len(asked.left_out) == 1 and "im6.png" in asked.left_out[0]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [row["group"] for row in summary["rows"]] == ["near, 16 disparities"]
    (folder / "near" / "im6.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="none of 2 pairs can be read"):
        PROTOCOLS["stereo"].run(request(folder, tmp_path / "out", ["census"]))


def test_methods_that_are_not_there_and_options_that_do_not_apply_are_refused() -> None:
    with pytest.raises(ValueError, match="no file or folder nothing, and no method of that name; there are classical"):
        load_stereo_methods(["nothing"])
    with pytest.raises(ValueError, match="two rows are called 'census'"):
        load_stereo_methods(["classical", "census"])
    assert "needs --data" in PROTOCOLS["stereo"].refusal("stereo", [])
    assert "--presets does not apply" in PROTOCOLS["stereo"].refusal("stereo", ["data", "presets"])
