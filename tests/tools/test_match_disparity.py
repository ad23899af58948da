"""Matching a rectified pair as a user meets it: files of disparities, a view, and refusals that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Run = Callable[..., int]
SHIFT = 5


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A left and a right picture of noise, 5 pixels apart, and others that match nothing."""
    wide = np.random.default_rng(0).integers(0, 256, (40, 69), np.uint8)
    pictures = {
        "left": wide[:, :64],
        "right": wide[:, SHIFT:],
        "narrow": wide[:, :50],
        "lower": np.roll(wide, 3, axis=0)[:, SHIFT:],
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    return tmp_path


@pytest.mark.parametrize("suffix", ["png", "pfm", "npy"])
def test_a_pair_gives_disparities_and_a_view(
    run_tool: Run, pair: Path, stereo_weights: str, suffix: str, capsys: pytest.CaptureFixture[str]
):
    options = ["--weights", stereo_weights, "--disparity", f"d.{suffix}", "--disparities", "12"]
    assert run_tool("match.py", "left.png", "right.png", *options) == 0
    said = capsys.readouterr().out
    assert "mc-cnn-fast | disparities to" in said and f"disparities in d.{suffix} | look at d_view.png" in said
    assert "warn" not in said
    if suffix == "png":
        found = cv2.imread("d.png", cv2.IMREAD_UNCHANGED) / 256.0
    elif suffix == "npy":
        found = np.load("d.npy")
    else:
        content = Path("d.pfm").read_bytes()
        found = np.frombuffer(content[-4 * 40 * 64 :], "<f4").reshape(40, 64)[::-1]
    assert np.median(np.abs(found[:, 12:] - SHIFT)) < 0.3
    assert cv2.imread("d_view.png").shape == (40, 64, 3)


def test_pictures_whose_rows_do_not_correspond_are_said_to_be_perhaps_not_rectified(
    run_tool: Run, pair: Path, stereo_weights: str, capsys: pytest.CaptureFixture[str]
):
    options = ["--weights", stereo_weights, "--disparity", "d.png", "--figure", "v.png", "--disparities", "12"]
    assert run_tool("match.py", "left.png", "lower.png", *options) == 0
    said = capsys.readouterr().out
    assert "lower.png fits left.png better 3 rows lower" in said and Path("v.png").exists()
    assert not Path("d_view.png").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--disparity", "d.png"], "needs --weights of a stereo system; train one"),
        (["--disparity", "d.jpg", "--weights", "W"], "name a file that ends with .png or .pfm or .npy"),
        (["--disparity", "d.png", "--weights", "W", "--homography"], "--homography: of keypoints"),
        (["--disparity", "d.png", "--weights", "W", "--keypoints", "sift"], "--weights W finds keypoints"),
        (["--disparities", "9"], "--disparities is the range that --disparity FILE looks at"),
        (["--disparity", "left.png", "--weights", "W"], "would overwrite left.png"),
        (["--disparity", "d.png", "--weights", "hardnet"], "hardnet gives vectors, not costs"),
    ],
)
def test_what_does_not_go_together_is_refused(
    run_tool: Run, pair: Path, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert run_tool("match.py", "left.png", "right.png", *options) == 2
    assert words in capsys.readouterr().err


def test_unequal_sizes_and_files_that_are_no_pictures_are_refused(
    run_tool: Run, pair: Path, stereo_weights: str, capsys: pytest.CaptureFixture[str]
):
    options = ["--weights", stereo_weights, "--disparity", "d.png"]
    assert run_tool("match.py", "left.png", "narrow.png", *options) == 2
    assert "left has 64x40, right 50x40 pixels: give the two pictures of one rectified pair" in capsys.readouterr().err
    (pair / "text.png").write_text("nothing")
    assert run_tool("match.py", "left.png", "text.png", *options) == 2
    assert "text.png: not a picture" in capsys.readouterr().err and not Path("d.png").exists()
