"""The tools on photographs behind a URL: what they write equals what they write of the folder itself.

The store is the disk by its other name, file://, which TensorFlow opens as it does gs://; worker processes see it too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import yaml

from superpoint_tf.data.labels.labels import read_manifest
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.synthetic import draw_sample

Run = Callable[..., int]
CONFIG = {
    "name": "tiny",
    "workers": 0,
    "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
    "photographs": {"image_shape": [64, 80]},
    "adaptation": {"num_homographies": 2, "chunk_size": 2, "num_figures": 1, "detection": {"threshold": 0.001}},
    "joint": {"batch_size": 2, "steps": 2, "validate_every": 2, "checkpoint_every": 2, "log_every": 1},
    "evaluation": {"image_shape": [64, 80], "num_pairs": 2, "num_keypoints": 50},
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a folder that has photographs in photos/, a mask of one, and a config beside them."""
    for number in range(14):
        name = f"sub/{number:02d}.png" if number % 3 == 0 else f"{number:02d}.png"
        (tmp_path / "photos/sub").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "photos" / name), draw_sample(3, number)[0])
    (tmp_path / "masks").mkdir()
    mask = np.full(draw_sample(3, 1)[0].shape, 255, np.uint8)
    mask[: len(mask) // 2] = 0
    cv2.imwrite(str(tmp_path / "masks/01.png.png"), mask)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    return f"file://{tmp_path}"


def features(path: str) -> dict[str, Any]:
    """Return every array of a feature file, and every attribute but where the picture lay."""
    found: dict[str, Any] = {}

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        found.update(
            {f"{name}@{key}": np.asarray(value).tolist() for key, value in item.attrs.items() if key != "image_path"}
        )
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(take)
    return found


def content(folder: str) -> dict[str, bytes]:
    """Return the bytes of each file of labels and figures: the others name where photographs lie."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def measured(folder: str) -> list[list[str]]:
    """Return the rows of an evaluation, a pair or a picture each."""
    for name in ("pairs.csv", "pictures.csv"):
        if (path := Path(folder) / name).exists():
            return list(csv.reader(path.read_text().splitlines()))
    return []


def test_extract_writes_the_same_features_and_skips_them(
    run_tool: Run, url: str, tiny_weights: str, capsys: pytest.CaptureFixture[str]
):
    options = ["--weights", tiny_weights, "--threshold", "0.001", "--max-keypoints", "20"]
    assert run_tool("extract.py", "photos", "--masks", "masks", *options, "--output", "here.h5") == 0
    there = [f"{url}/photos", "--masks", f"{url}/masks", *options, "--output", "there.h5"]
    assert run_tool("extract.py", *there) == 0
    assert features("here.h5") == features("there.h5") and len(features("here.h5")) > 14
    capsys.readouterr()
    assert run_tool("extract.py", *there) == 0 and "0 extracted" in capsys.readouterr().out


def test_match_reads_and_writes_behind_a_url(run_tool: Run, url: str, tiny_weights: str, tmp_path: Path):
    names = ("photos/01.png", "photos/02.png")
    options = ["--weights", tiny_weights, "--threshold", "0.001", "--masks"]
    assert run_tool("match.py", *names, *options, "masks", "--save-matches", "here.npz", "--figure", "here.png") == 0
    outputs = ["--save-matches", f"{url}/out/there.npz", "--figure", f"{url}/out/there.png"]
    assert run_tool("match.py", *(f"{url}/{name}" for name in names), *options, f"{url}/masks", *outputs) == 0
    for suffix in ("npz", "png"):
        assert (tmp_path / f"here.{suffix}").read_bytes() == (tmp_path / f"out/there.{suffix}").read_bytes()
    assert run_tool("match.py", f"{url}/photos/01.png", f"{url}/none.png") == 2
    same = f"{url}/{names[0]}"
    assert run_tool("match.py", same, names[1], "--figure", same) == 2


@pytest.mark.slow
def test_labels_and_a_training_on_them_are_the_same(run_tool: Run, url: str, tiny_weights: str):
    adapt = ["--config", "tiny.yaml", "--iters", "1", "--detector", tiny_weights]
    assert run_tool("homographic_adapt.py", *adapt, "--images", "photos", "--masks", "masks", "--output", "here") == 0
    there = ["--images", f"{url}/photos", "--masks", f"{url}/masks", "--output", f"{url}/there"]
    assert run_tool("homographic_adapt.py", *adapt, *there) == 0
    assert content("here") == content("there") and len(content("here")) > 1
    assert read_manifest(f"{url}/there").image_root == f"{url}/photos"
    assert read_manifest(f"{url}/there").counts == read_manifest("here").counts
    for labels, masks in (("here", "masks"), (f"{url}/there", f"{url}/masks")):
        options = ["--labels", labels, "--masks", masks, "--output", f"run-{labels.rpartition('/')[2]}"]
        assert run_tool("train_superpoint.py", "tiny.yaml", *options) == 0
    assert load_weights("run-here").fingerprint() == load_weights("run-there").fingerprint()


@pytest.mark.slow
def test_worker_processes_read_a_store(run_tool: Run, url: str, tiny_weights: str):
    adapt = ["--config", "tiny.yaml", "--iters", "1", "--detector", tiny_weights, "--set", "adaptation.num_figures=0"]
    for workers, images, labels in (("0", "photos", "here"), ("1", f"{url}/photos", f"{url}/there")):
        options = ["--images", images, "--output", labels]
        assert run_tool("homographic_adapt.py", *adapt, f"workers={workers}", *options) == 0
        output = f"run-{labels.rpartition('/')[2]}"
        train = ["tiny.yaml", "--labels", labels, "--output", output, "--set", f"workers={workers}"]
        assert run_tool("train_superpoint.py", *train) == 0
    assert content("here") == content("there")
    assert load_weights("run-here").fingerprint() == load_weights("run-there").fingerprint()


def test_rounds_that_retrain_are_refused_behind_a_url_before_any_work(
    run_tool: Run, url: str, tiny_weights: str, capsys: pytest.CaptureFixture[str]
):
    adapt = ["--config", "tiny.yaml", "--iters", "2", "--detector", tiny_weights, "--images", f"{url}/photos"]
    assert run_tool("homographic_adapt.py", *adapt, "--output", f"{url}/there") == 2
    assert "retraining between rounds needs a disk; use --iters 1" in capsys.readouterr().err
    assert not Path("there").exists()


def test_points_of_others_are_imported_from_and_to_a_url(run_tool: Run, url: str, tmp_path: Path):
    for number, suffix in ((1, "txt"), (2, "csv"), (3, "npz")):
        path = tmp_path / "points" / ("sub" if number == 3 else ".") / f"{number:02d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x,y\n20,30\n" if suffix == "csv" else "20 30\r\n40 50\r\n")
        if suffix == "npz":
            np.savez(path, points=np.array([[30, 20]]))
    options = ["--config", "tiny.yaml", "--set", "photographs.validation=sub"]
    (tmp_path / "points/sub/03.npz").rename(tmp_path / "points/04.npz")
    assert run_tool("import_labels.py", "points", "--images", "photos", "--output", "here", *options) == 0
    there = [f"{url}/points", "--images", f"{url}/photos", "--output", f"{url}/there"]
    assert run_tool("import_labels.py", *there, *options) == 0
    assert content("here") == content("there") and len(content("here")) > 1


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        pytest.param("random-homography", ("--methods", "FAST", "--num", "3"), marks=pytest.mark.slow),
        pytest.param("retrieval", ("--methods", "ORB", "--num", "3"), marks=pytest.mark.slow),
        ("shifts", ("--methods", "FAST", "--num", "2")),
    ],
)
def test_evaluate_measures_the_same_on_photographs(
    run_tool: Run, url: str, protocol: str, options: tuple[str, ...], tmp_path: Path
):
    for data, output in (("photos", "here"), (f"{url}/photos", "there")):
        assert run_tool("evaluate.py", protocol, "--data", data, *options, "--output", output) == 0
    here, there = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("here", "there"))
    assert measured("here") == measured("there") != []
    assert there["data"] == f"{url}/photos"
    assert {key: value for key, value in here.items() if key not in DIFFERS} == {
        key: value for key, value in there.items() if key not in DIFFERS
    }


DIFFERS = ("data", "command", "date", "seconds")


def test_show_draws_the_same_picture(run_tool: Run, url: str, tiny_weights: str, tmp_path: Path):
    options = ["--weights", tiny_weights, "--threshold", "0.001"]
    for source, output in (("photos/01.png", "here.png"), (f"{url}/photos/01.png", "there.png")):
        assert run_tool("show.py", source, *options, "--output", output) == 0
    assert (tmp_path / "here.png").read_bytes() == (tmp_path / "there.png").read_bytes()


@pytest.mark.slow
def test_finetune_gives_the_same_weights_and_verdict(run_tool: Run, url: str, tiny_weights: str, tmp_path: Path):
    for images, output in (("photos", "here"), (f"{url}/photos", "there")):
        options = ["--config", "tiny.yaml", "--weights", tiny_weights, "--output", output]
        assert run_tool("finetune.py", images, *options) == 0
    assert load_weights("here").fingerprint() == load_weights("there").fingerprint()
    verdicts = [json.loads((tmp_path / name / "verdict.json").read_text()) for name in ("here", "there")]
    assert verdicts[0]["rows"] == verdicts[1]["rows"]


@pytest.mark.slow
def test_export_quantises_to_the_ranges_of_the_same_photographs(run_tool: Run, url: str, tiny_weights: str):
    options = ["--weights", tiny_weights, "--format", "tflite", "--precision", "int8", "--image-shape", "64", "80"]
    for images, output in (("photos", "here.tflite"), (f"{url}/photos", "there.tflite")):
        assert run_tool("export.py", *options, "--images", images, "--output", output) == 0
    assert Path("here.tflite").stat().st_size == Path("there.tflite").stat().st_size


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("extract.py", ("photos", "--output", "URL/features.h5")),
        ("extract.py", ("photos", "--colmap", "URL/database.db")),
        ("extract.py", ("photos", "--write-frames", "URL/frames")),
        ("evaluate.py", ("synthetic", "--output", "URL/out")),
        ("train_superpoint.py", ("tiny.yaml", "--output", "URL/run")),
        ("finetune.py", ("photos", "--output", "URL/run")),
        ("generate_synthetic.py", ("--output", "URL/shapes")),
        ("export.py", ("--format", "onnx", "--output", "URL/network.onnx")),
        ("show.py", ("photos", "--output", "URL/drawn")),
        ("benchmark.py", ("extract", "--output", "URL/benchmark.json")),
    ],
)
def test_what_is_written_to_a_disk_alone_is_refused_at_once(
    run_tool: Run, url: str, tool: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    assert run_tool(tool, *(argument.replace("URL", f"{url}/out") for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert f"'{url}/out/" in said and "written to a disk alone; name a place on one, and copy it up" in said
    assert not Path("out").exists() and not Path("file:").exists()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("extract.py", ("nil://bucket/photos",)),
        ("match.py", ("nil://bucket/a.jpg", "b.jpg")),
        ("show.py", ("nil://bucket/a.jpg", "--output", "a.png")),
        ("homographic_adapt.py", ("--images", "nil://bucket/photos", "--config", "tiny.yaml")),
        ("train_superpoint.py", ("tiny.yaml", "--labels", "nil://bucket/labels")),
        ("evaluate.py", ("hpatches", "--data", "nil://bucket/sequences")),
        ("finetune.py", ("nil://bucket/photos", "--config", "tiny.yaml")),
        ("import_labels.py", ("points", "--images", "nil://bucket/photos", "--config", "tiny.yaml")),
        ("export.py", ("--format", "tflite", "--images", "nil://bucket/photos")),
        ("benchmark.py", ("extract", "--images", "nil://bucket/photos")),
    ],
)
def test_a_store_that_nothing_here_reads_is_an_error_with_the_remedy(
    run_tool: Run, url: str, tool: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    assert run_tool(tool, *arguments) == 2
    said = capsys.readouterr().err
    assert "error: nil://bucket/" in said and "knows no nil:// here" in said and "pip install tensorflow-io" in said


def test_weights_behind_a_url_are_refused_with_the_remedy(run_tool: Run, url: str, capsys: pytest.CaptureFixture[str]):
    assert run_tool("extract.py", "photos", "--weights", f"{url}/weights.npz") == 2
    assert f"{url}/weights.npz: weights are read from a disk alone; copy them to one" in capsys.readouterr().err
