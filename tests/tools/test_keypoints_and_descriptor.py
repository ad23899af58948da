"""`--keypoints` and `--descriptor` as a user meets them: files, matches, and what does not go together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs
from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.features import Features
from superpoint_tf.models.patch_model import PatchModel

Run = Callable[..., int]
TURN = cv2.getRotationMatrix2D((160, 160), 40, 1.0)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = find_photographs(PhotographsSection(), BUNDLED).root
    astronaut = cv2.resize(cv2.imread(f"{root}/astronaut.png"), (320, 320), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    cv2.imwrite(str(tmp_path / "b.png"), cv2.warpAffine(astronaut, TURN, (320, 320), flags=cv2.INTER_LINEAR))
    return tmp_path


def read(path: str, name: str) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {key: value[()] for key, value in file[name].items()}


def test_sifts_keypoints_are_described_by_the_patch_system(
    run_tool: Run, pictures: Path, patch_weights: dict[str, str]
):
    image = cv2.imread("a.png", 0)
    cv2.imwrite("grey.png", image)  # colours become grey by another program's rounding
    command = ["extract.py", "grey.png", "--keypoints", "SIFT", "--descriptor", patch_weights["hardnet"]]
    assert run_tool(*command, "--max-keypoints", "50") == 0
    stored = read("features.h5", "grey.png")
    assert stored["keypoints"].shape == (50, 2) and stored["descriptors"].shape == (128, 50)
    sift = CLASSICAL["SIFT"](image)
    assert {tuple(point) for point in stored["keypoints"].tolist()} <= {tuple(p) for p in sift.keypoints.tolist()}
    found = Features(stored["keypoints"], stored["scores"], None, stored["sizes"], stored["angles_deg"])
    expected = PatchModel.from_pretrained(patch_weights["hardnet"]).describe(image, found)
    np.testing.assert_allclose(stored["descriptors"].T, expected, atol=1e-5)


def test_keypoints_alone_keep_their_own_descriptors_and_other_settings_are_another_file(
    run_tool: Run, pictures: Path, patch_weights: dict[str, str], capsys: pytest.CaptureFixture[str]
):
    assert run_tool("extract.py", "a.png", "--keypoints", "orb", "--nms-radius", "0") == 0
    stored = read("features.h5", "a.png")
    assert stored["descriptors"].dtype == np.uint8 and stored["sizes"].min() >= 31 * 0.999
    assert run_tool("extract.py", "a.png", "--keypoints", "orb", "--descriptor", patch_weights["hardnet"]) == 2
    said = capsys.readouterr().err
    assert "descriptor_sha256" in said and "--overwrite" in said


def test_keypoints_of_a_network_are_described_too(run_tool: Run, pictures: Path, patch_weights: dict[str, str]):
    command = ["extract.py", "a.png", "--keypoints", "superpoint-small", "--descriptor", patch_weights["hardnet"]]
    assert run_tool(*command, "--scales", "1,1.5") == 0
    stored = read("features.h5", "a.png")
    assert stored["descriptors"].shape == (128, len(stored["keypoints"])) and "sizes" not in stored


def test_with_resize_sizes_are_in_pixels_of_the_original(run_tool: Run, pictures: Path, patch_weights: dict[str, str]):
    cv2.imwrite("small.png", cv2.resize(cv2.imread("a.png", 0), (160, 160), interpolation=cv2.INTER_AREA))
    cv2.imwrite("grey.png", cv2.imread("a.png", 0))
    command = ["extract.py", "grey.png", "small.png", "--keypoints", "sift", "--descriptor", patch_weights["hardnet"]]
    assert run_tool(*command, "--resize", "160", "--nms-radius", "0") == 0
    large, small = read("features.h5", "grey.png"), read("features.h5", "small.png")
    np.testing.assert_allclose(large["keypoints"], 2 * small["keypoints"] + 0.5, rtol=1e-5)
    np.testing.assert_allclose(large["sizes"], 2 * small["sizes"], rtol=1e-5)
    similarity = (large["descriptors"] * small["descriptors"]).sum(axis=0)
    assert np.median(similarity) > 0.9  # patches of the original itself, as large as they are there


def test_a_turned_picture_gives_its_rotation_by_untrained_descriptors_of_turned_patches(
    run_tool: Run, pictures: Path, patch_weights: dict[str, str], capsys: pytest.CaptureFixture[str]
):
    command = ["match.py", "a.png", "b.png", "--keypoints", "sift", "--descriptor", patch_weights["hardnet"]]
    assert run_tool(*command, "--homography", "--save-matches", "m.npz") == 0
    with np.load("m.npz") as saved:
        np.testing.assert_allclose(saved["homography_0to1"][:2], TURN, rtol=0.02, atol=0.5)
        assert saved["inliers"].sum() > 50


def test_a_colmap_database_has_scale_and_orientation(run_tool: Run, pictures: Path, patch_weights: dict[str, str]):
    import sqlite3

    command = ["extract.py", "a.png", "b.png", "--keypoints", "sift", "--descriptor", patch_weights["hardnet"]]
    assert run_tool(*command, "--max-keypoints", "30", "--colmap", "x.db") == 0
    connection = sqlite3.connect("x.db")
    assert connection.execute("SELECT rows, cols FROM keypoints").fetchall() == [(30, 4), (30, 4)]
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--descriptor", "hardnet"], "--descriptor hardnet describes patches: name keypoints, --keypoints sift"),
        (["--weights", "{hardnet}"], "hardnet describes patches: name keypoints, --keypoints sift --descriptor"),
        (["--keypoints", "{hardnet}"], "hardnet describes patches: name keypoints, --keypoints sift --descriptor"),
        (["--keypoints", "sift", "--descriptor", "{siam}"], "siam compares patches pair by pair and gives no vectors"),
        (["--keypoints", "sift", "--descriptor", "superpoint"], "superpoint describes pictures; use SuperPoint"),
        (["--keypoints", "soft", "--descriptor", "{hardnet}"], "soft: no detector of that name and no weights there"),
        (["--keypoints", "sift", "--weights", "superpoint"], "leave out it or --keypoints"),
        (["--keypoints", "sift", "--threshold", "0.1", "--subpixel"], "--threshold, --subpixel: of networks; sift has"),
        (["--keypoints", "harris", "--colmap", "x.db"], "--keypoints harris: a detector alone gives nothing to match"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    run_tool: Run,
    pictures: Path,
    patch_weights: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
):
    given = [argument.format(**patch_weights) for argument in arguments]
    assert run_tool("extract.py", "a.png", *given) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert sorted(path.name for path in pictures.iterdir()) == ["a.png", "b.png"]


def test_a_detector_alone_matches_nothing(run_tool: Run, pictures: Path, capsys: pytest.CaptureFixture[str]):
    assert run_tool("match.py", "a.png", "b.png", "--keypoints", "fast") == 2
    assert "a detector alone has no descriptors to match" in capsys.readouterr().err


def test_export_of_a_descriptor_network_refuses_options_of_pictures(
    run_tool: Run, pictures: Path, patch_weights: dict[str, str], capsys: pytest.CaptureFixture[str]
):
    command = ["export.py", "--weights", patch_weights["hardnet"], "--format", "savedmodel"]
    assert run_tool(*command, "--image-shape", "480", "640") == 2
    assert "--image-shape: of networks for pictures" in capsys.readouterr().err
    assert run_tool(*command, "--output", "h") == 0
    assert "numbers within 0.001" in capsys.readouterr().out and (pictures / "h/saved_model.pb").exists()
