"""Matching as a user meets it: figures, the matrix, a panorama, and two pictures that have nothing in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs

Run = Callable[..., int]
HOMOGRAPHY = np.array([[0.95, -0.1, 30.0], [0.08, 0.97, -10.0], [5e-5, -3e-5, 1.0]])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = find_photographs(PhotographsSection(), BUNDLED).root
    astronaut = cv2.resize(cv2.imread(f"{root}/astronaut.png"), (320, 320), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    cv2.imwrite(str(tmp_path / "b.png"), cv2.warpPerspective(astronaut, HOMOGRAPHY, (320, 320)))
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((60, 80, 3), 90, np.uint8))
    return tmp_path


def test_a_warped_picture_gives_its_homography_a_figure_matches_and_a_panorama(
    run_tool: Run, pictures: Path, capsys: pytest.CaptureFixture[str]
):
    files = ["--figure", "m.png", "--panorama", "p.png", "--save-matches", "m.npz"]
    assert run_tool("match.py", "a.png", "b.png", "--homography", *files) == 0
    said = capsys.readouterr().out
    assert " keypoints | " in said and " matches | " in said and " inliers" in said
    with np.load("m.npz") as saved:
        estimated, inliers = saved["homography_0to1"], saved["inliers"]
        assert len(saved["matches"]) == len(inliers) and saved["keypoints0"].shape[1] == 2
    corners = np.array([[[0, 0], [319, 0], [319, 319], [0, 319]]], np.float64)
    error = cv2.perspectiveTransform(corners, estimated) - cv2.perspectiveTransform(corners, HOMOGRAPHY)
    assert np.linalg.norm(error, axis=-1).mean() < 3 and inliers.sum() > 30
    figure, panorama = cv2.imread("m.png"), cv2.imread("p.png")
    assert figure.shape[1] > 2 * 600 and panorama.shape[0] >= 320 and panorama.shape[1] >= 320


def test_matches_as_text_are_a_line_each(run_tool: Run, pictures: Path):
    assert run_tool("match.py", "a.png", "b.png", "--save-matches", "m.txt", "--ratio", "0.9") == 0
    rows = np.loadtxt("m.txt")
    assert rows.shape[1] == 5 and set(np.unique(rows[:, 4])) <= {0, 1} and rows[:, 4].sum() > 30


def test_what_a_killed_call_left_of_its_files_is_removed_whatever_becomes_of_this_one(run_tool: Run, pictures: Path):
    for name in ("m.png", "p.png", "m.txt", "other.png"):
        (pictures / f"{name}.12ab.part").write_bytes(b"half")
    files = ["--figure", "m.png", "--panorama", "p.png", "--save-matches", "m.txt"]
    assert run_tool("match.py", "a.png", "flat.png", *files) == 1  # no homography, so no panorama
    assert [path.name for path in pictures.glob("*.part")] == ["other.png.12ab.part"]


def test_no_homography_is_code_1_with_the_reason_and_the_figure_is_drawn_all_the_same(
    run_tool: Run, pictures: Path, capsys: pytest.CaptureFixture[str]
):
    assert run_tool("match.py", "a.png", "flat.png", "--homography", "--figure", "m.png") == 1
    said = capsys.readouterr()
    assert "0 matches" in said.out and "no homography, 0 matches do not determine one" in said.err
    assert Path("m.png").exists()
    assert run_tool("match.py", "a.png", "flat.png") == 0  # nothing was asked for that needs one


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.png", "gone.png"], 2, "gone.png: no such file"),
        (["a.png", "b.png", "--figure", "m.jpg"], 2, "name a file that ends with .png"),
        (["a.png", "b.png", "--ratio", "2"], 2, "expected a number from 0 to 1"),
        (["a.png", "b.png", "--weights", "magicpoint-small"], 2, "a detector alone has no descriptors"),
    ],
)
def test_errors_are_one_line(
    run_tool: Run, pictures: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
):
    assert run_tool("match.py", *arguments) == code
    assert words in capsys.readouterr().err.splitlines()[-1]
