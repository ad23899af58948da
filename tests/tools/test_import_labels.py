"""Points of others become labels that training takes: in the right pixels, with what is unknown left out."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.label_chunks import unpack_archive
from superpoint_tf.data.labels.label_sets import find_label, labelled_photographs
from superpoint_tf.data.labels.labels import load_label, read_manifest
from superpoint_tf.interop.point_frames import COVER, STRETCH, PointFrame
from superpoint_tf.training.builders.detector_tasks import build_joint_task
from superpoint_tf.training.trainer import train

SHAPE = (64, 80)
CONFIG = {
    "workers": 0,
    "network": {"width": 0.0625, "descriptor_dim": 8},
    "photographs": {"image_shape": list(SHAPE)},
    "joint": {"steps": 2, "batch_size": 2, "validate_every": 2, "checkpoint_every": 2, "log_every": 1},
    "evaluation": {"image_shape": [64, 80], "num_pairs": 2},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nine pictures of 160x128 px, each with a white square on black, and its four corners."""
    random = np.random.default_rng(1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "points").mkdir()
    for number in range(9):
        x, y = (int(v) for v in random.integers((50, 40), (90, 70)))
        picture = np.zeros((128, 160), np.uint8)
        picture[y : y + 21, x : x + 21] = 200
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), picture)
        corners = np.array([[y, x], [y, x + 20], [y + 20, x], [y + 20, x + 20]])
        np.savez(tmp_path / "points" / f"{number}.npz", points=corners)
    (tmp_path / "own.yaml").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(**joint: object) -> Config:
    return build_config({**CONFIG, "joint": {**CONFIG["joint"], **joint}})


def imported(run_tool: Callable[..., int], *options: str) -> int:
    return run_tool(
        "import_labels.py", "points", "--images", "pictures", "--config", "own.yaml", "--output", "labels", *options
    )


def test_points_of_the_file_land_on_the_corners_of_the_labels_frame(folder: Path, run_tool: Callable[..., int]):
    assert imported(run_tool) == 0
    manifest = read_manifest("labels")
    names = tuple(labelled_photographs("labels", manifest))
    assert len(names) == 7 and len(manifest.validation) == 2 and manifest.counts["left_out"] == []
    for name in names:
        label = load_label(find_label("labels", 1, name))
        picture = cv2.imread(f"pictures/{name}", cv2.IMREAD_GRAYSCALE)
        ys, xs = np.nonzero(picture)
        corners = [[x, y] for y in (ys.min(), ys.max()) for x in (xs.min(), xs.max())]
        expected = (np.array(corners) + 0.5) / 2 - 0.5  # half the size, by the half-pixel rule
        np.testing.assert_allclose(label.keypoints, expected, atol=1e-5)
        assert label.image_shape == SHAPE and label.num_votes == 1
        known = label.known(0.5)
        assert known[16:-16, 16:-16].all() and not known[:16].any() and not known[:, -16:].any()
    assert cv2.imread("labels/figures/round_1.png") is not None


def test_photographs_are_read_through_the_window_that_training_wants_too(
    folder: Path, run_tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    for path in (folder / "pictures").glob("*.png"):  # a square of 240 levels of 65,536
        cv2.imwrite(str(path), (1000 + cv2.imread(str(path), 0).astype(np.uint16)).astype(np.uint16))
    assert imported(run_tool) == 0
    dark = cv2.imread("labels/figures/round_1.png", 0)
    capsys.readouterr()
    assert imported(run_tool, "--stretch", "1000,1200", "--overwrite") == 0
    assert "--labels labels --output outputs/labels --stretch 1000,1200 --set" in capsys.readouterr().out
    shown = cv2.imread("labels/figures/round_1.png", 0)
    assert ((shown > 250) & (dark < 10)).sum() > 4 * 11 * 11  # the squares, half their size, drawn larger
    with pytest.raises(ConfigError, match=r"made with photographs\.stretch=1000,1200, the config says none"):
        build_joint_task(config(labels="labels"))


def test_training_takes_the_labels(folder: Path, run_tool: Callable[..., int]):
    assert imported(run_tool) == 0
    assert train(build_joint_task(config(labels="labels")), folder / "run").exists()
    with pytest.raises(ConfigError, match=r"labels: its labels were imported: there is no detector for `joint\.init"):
        build_joint_task(config(labels="labels", init="adapted"))


def test_the_tf1_and_the_pytorch_pipelines_scaling_is_undone(folder: Path, run_tool: Callable[..., int]):
    """96x96: covering cuts 12 columns off either side, stretching shrinks x by .6 and y by .75."""
    assert imported(run_tool) == 0
    name = labelled_photographs("labels", read_manifest("labels"))[0]
    expected = load_label(find_label("labels", 1, name)).keypoints
    for path in Path("points").iterdir():
        corners = np.load(path)["points"][:, ::-1]
        covered = (corners + 0.5) * 0.75 - 0.5 - [12, 0]
        stretched = (corners + 0.5) * [0.6, 0.75] - 0.5
        np.savez(path, points=covered[:, ::-1], pts=np.column_stack([stretched, np.ones(4)]))
    for scaled in ("cover:96x96", "stretch:96x96"):
        if scaled.startswith("stretch"):
            for path in Path("points").iterdir():
                np.savez(path, pts=np.load(path)["pts"])
        assert imported(run_tool, "--scaled", scaled, "--overwrite") == 0
        np.testing.assert_allclose(load_label(find_label("labels", 1, name)).keypoints, expected, atol=1e-4)


def test_what_the_points_own_frame_did_not_see_is_not_known():
    image_to_label = np.diag([0.5, 0.5, 1.0])  # 160x128 to 80x64, the half pixel aside
    for how, first in ((COVER, round((12 / 0.75 + 16 / 0.75) / 2)), (STRETCH, round(16 / 0.6 / 2))):
        known = PointFrame(how, (96, 96)).known(image_to_label, (128, 160), SHAPE)[32]
        assert abs(int(np.argmax(known)) - first) <= 1 and abs(int(np.argmax(known[::-1])) - first) <= 1


@pytest.mark.parametrize(
    ("points", "options", "words"),
    [
        ([[40, 150], [100, 20]], ["--order", "xy"], "with x and y exchanged all fit: pass --order yx"),
        ([[400, 600], [10, 10]], [], "found in pictures of another size: pass --scaled, for example cover:240x320"),
        ([[40, 150]], ["--scaled", "cover:96x96"], "lie outside the picture of 96x96 px, the farthest at x 150, y 40"),
        ([[-5, 3]], [], "1 of 1 points lie outside the picture of 160x128 px, the farthest at x 3, y -5"),
    ],
    ids=["exchanged", "larger", "not scaled", "negative"],
)
def test_points_outside_their_picture_are_refused_with_the_likely_reason_and_nothing_is_written(
    points: list[list[int]],
    options: list[str],
    words: str,
    folder: Path,
    run_tool: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
):
    for path in Path("points").iterdir():
        np.savez(path, points=points)
    assert imported(run_tool, *options) == 2
    assert words in capsys.readouterr().err and not Path("labels").exists()


def test_points_in_one_corner_of_all_pictures_are_warned_of(
    folder: Path, run_tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    for path in Path("points").iterdir():
        np.savez(path, points=np.random.default_rng(0).integers(0, 60, (20, 2)))
    assert imported(run_tool) == 0
    assert "of another size, import again with --scaled" in capsys.readouterr().out


def test_files_without_a_photograph_are_counted_and_with_strict_refused(
    folder: Path, run_tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    Path("points/lost.txt").write_text("3 4\n")
    assert imported(run_tool, "--strict") == 2
    assert "points/lost.txt: no photograph of that name in pictures (1 of 10 files" in capsys.readouterr().err
    assert imported(run_tool) == 0
    assert "1 files of points without a photograph, for example lost.txt" in capsys.readouterr().out


def test_a_photograph_that_cannot_be_read_is_left_out_and_named(
    folder: Path, run_tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    Path("pictures/broken.png").write_bytes(b"no picture")
    Path("points/broken.txt").write_text("3 4\n")
    assert imported(run_tool) == 0
    assert [item["path"] for item in read_manifest("labels").counts["left_out"]] == ["broken.png"]
    assert imported(run_tool, "--strict", "--overwrite") == 1
    assert "broken.png" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_photograph_whose_name_is_not_utf8_is_left_out_and_named(folder: Path, run_tool: Callable[..., int]):
    for kind, suffix in (("pictures", b".png"), ("points", b".npz")):
        path = os.fsencode(f"{kind}/0") + suffix
        os.link(path, os.fsencode(f"{kind}/") + b"caf\xe9" + suffix)
    assert imported(run_tool) == 0
    left_out = read_manifest("labels").counts["left_out"]
    assert left_out == [{"path": "caf\\udce9.png", "reason": "its name is not UTF-8; rename it"}]


def test_labels_that_are_there_are_replaced_only_where_that_was_asked_for(
    folder: Path, run_tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    assert imported(run_tool) == 0 and imported(run_tool) == 2
    assert "holds labels; choose another --output, or pass --overwrite" in capsys.readouterr().err
    assert imported(run_tool, "--overwrite") == 0
    Path("labels/adaptation.json").unlink()
    assert imported(run_tool, "--overwrite") == 2
    assert "not empty and not a label folder" in capsys.readouterr().err


def test_equal_files_give_equal_labels(folder: Path, run_tool: Callable[..., int]):
    assert imported(run_tool) == 0
    first = read_manifest("labels")
    files = {path: path.read_bytes() for path in Path("labels/round_1").iterdir()}
    assert imported(run_tool, "--overwrite") == 0 and len(files) == 2
    assert dataclasses.asdict(read_manifest("labels")) == dataclasses.asdict(first)
    assert files == {path: path.read_bytes() for path in Path("labels/round_1").iterdir()}


def test_imported_labels_in_many_chunks_are_those_in_one(folder: Path, run_tool: Callable[..., int]):
    assert imported(run_tool) == 0
    whole = [unpack_archive(str(path)) for path in sorted(Path("labels/round_1").glob("*.zip"))]
    assert imported(run_tool, "--overwrite", "--set", "adaptation.labels_per_file=2") == 0
    parts = [unpack_archive(str(path)) for path in sorted(Path("labels/round_1").glob("*.zip"))]
    assert [len(part) for part in parts] == [2, 2, 2, 1] and len(whole) == 1
    assert whole[0] == {name: content for part in parts for name, content in part.items()}
