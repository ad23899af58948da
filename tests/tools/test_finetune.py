"""`tools/finetune.py` as a user types it, with a network so small that it takes seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from superpoint_tf.data.labels.label_sets import labelled_photographs, resolve_place
from superpoint_tf.data.labels.labels import load_label, read_manifest
from superpoint_tf.networks.weights import load_weights
from synthetic import draw_sample

TINY = {
    "workers": 0,
    "photographs": {"image_shape": [64, 80]},
    "adaptation": {"num_homographies": 2, "chunk_size": 2, "num_figures": 1, "detection": {"threshold": 0.001}},
    "joint": {"batch_size": 2, "steps": 2, "validate_every": 2, "checkpoint_every": 1, "log_every": 1},
    "evaluation": {"image_shape": [64, 80], "num_pairs": 2, "num_keypoints": 50},
}


@pytest.fixture
def finetune(tmp_path: Path, run_tool: Callable[..., int], tiny_weights: str) -> Callable[..., int]:
    (tmp_path / "mine").mkdir()
    for number in range(14):
        cv2.imwrite(str(tmp_path / "mine" / f"{number:02d}.png"), draw_sample(3, number)[0])
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))

    def run(*options: str) -> int:
        return run_tool("finetune.py", "mine", "--config", "tiny.yaml", "--weights", tiny_weights, *options)

    return run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def said(finetune: Callable[..., int], kept: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a fine-tuning said that has ended; made once, each test gets its own copy of the folder."""
    if not list(kept.iterdir()):
        assert finetune() == 0
        (kept / "said").write_text(capsys.readouterr().out)
        shutil.copytree("outputs", kept / "outputs")
    else:
        shutil.copytree(kept / "outputs", "outputs")
    return (kept / "said").read_text()


def test_one_command_labels_trains_judges_and_keeps_weights(said: str, tiny_weights: str):
    folder = Path("outputs/finetune-mine")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert "7 photographs to learn from, 2 choose the weights, 5 judge them" in said
    assert [row["method"] for row in verdict["rows"]] == ["before", "after", "RootSIFT"]
    assert all(sentence in said for sentence in verdict["verdict"])
    kept = str(folder / "run" / "weights.npz") if verdict["keeps_after"] else tiny_weights
    assert verdict["kept"] == kept
    assert load_weights(folder).fingerprint() == load_weights(kept).fingerprint()
    for picture in ("figures/before_and_after.png", "labels/figures/round_1.png"):
        assert cv2.imread(str(folder / picture)) is not None


@pytest.mark.usefixtures("said")
def test_started_again_it_goes_on_and_labels_nothing_twice(
    finetune: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    labels = {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("round_1/*")}
    assert len(labels) == 2 and finetune("--set", "joint.steps=3") == 0
    assert "continues at step 2" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("round_1/*")} == labels
    assert finetune("--set", "joint.steps=3") == 0
    assert "finished before, 3 steps" in capsys.readouterr().out


@pytest.mark.usefixtures("said")
def test_other_settings_are_refused_until_overwrite(finetune: Callable[..., int], capsys: pytest.CaptureFixture[str]):
    other = ("--set", "adaptation.num_homographies=3")
    assert finetune(*other) == 2
    assert "adaptation.num_homographies: 2 -> 3" in capsys.readouterr().err
    assert finetune(*other, "--overwrite") == 0


def test_masks_and_stretch_are_those_of_its_labels_and_its_training(
    finetune: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    height, width = cv2.imread("mine/00.png", 0).shape
    mask = np.zeros((height, width), np.uint8)
    mask[:, width // 2 :] = 255
    cv2.imwrite("right.png", mask)
    assert finetune("--masks", "right.png", "--stretch", "percentile", "--output", "out") == 0
    assert "7 of 7 photographs have a mask in right.png" in capsys.readouterr().out
    labels = labelled_photographs("out/labels", read_manifest("out/labels"))
    assert len(labels) == 7
    for index in range(len(labels)):
        label = load_label(resolve_place(labels.place(index))[1])
        assert len(label.keypoints) and label.keypoints[:, 0].min() >= 39.5  # of 80
        assert not label.votes[:, :40].any() and label.votes[:, 40:].any()
    assert finetune("--stretch", "percentile", "--output", "out") == 2  # without the masks
    assert "content of the masks" in capsys.readouterr().err
    assert finetune("--masks", "absent.png") == 2 and "absent.png: no such folder" in capsys.readouterr().err


def test_a_folder_of_something_else_is_not_touched(
    finetune: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "weights.npz").write_bytes(b"a month of training")
    assert finetune("--output", "taken") == 2
    assert "taken: not empty and not of a fine-tuning" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["weights.npz"]


def test_weights_that_do_not_describe_are_refused(
    run_tool: Callable[..., int], finetune: Callable[..., int], capsys: pytest.CaptureFixture[str]
):
    assert run_tool("finetune.py", "mine", "--weights", "magicpoint-small") == 2
    assert "weights of magicpoint; a fine-tuning needs those of superpoint" in capsys.readouterr().err
