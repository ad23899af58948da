"""Every argument of every tool, given wrongly: exit code 2, one line that names it, and nothing created."""

from __future__ import annotations

import argparse
import importlib
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.command_line import Parser

TOOLS = Path(__file__).resolve().parents[2] / "tools"
NAMES = sorted(path.name for path in TOOLS.glob("*.py"))
EXISTING = {"a.png", "b.png", "notes.txt", "folder", "taken"}  # what the tests below find in their folder
ADAPT, GENERATE, TRAIN = "homographic_adapt.py", "generate_synthetic.py", "train_superpoint.py"
SMALL = ["--config", "configs/quickstart.yaml"]

WITHOUT_TENSORFLOW = [
    (TRAIN, [], "required: CONFIG, a YAML file"),
    (TRAIN, ["configs/coco.yaml", "--config", "configs/small.yaml"], "two configs are given, "),
    (TRAIN, ["--set", "seed=1", "configs/coco.yaml"], "expected KEY=VALUE; name the config before --set"),
    (TRAIN, ["--list-settings", "jont"], "argument --list-settings: 'jont' is no section; did you mean joint?"),
    (ADAPT, ["configs/coco.yaml", "--config", "configs/small.yaml"], "two configs are given, "),
    (TRAIN, [""], "argument CONFIG: '': expected a name"),
    (TRAIN, ["nowhere.yaml"], "nowhere.yaml: cannot be read"),
    (TRAIN, ["folder"], "folder: cannot be read (Is a directory)"),
    (TRAIN, ["configs/coco.yaml", "--output", ""], "argument --output: '': expected a name"),
    (TRAIN, ["configs/coco.yaml", "--output", "notes.txt"], "'notes.txt' is a file; name a folder"),
    (TRAIN, ["configs/coco.yaml", "--output", "notes.txt/run"], "notes.txt is no folder; choose another place"),
    (TRAIN, ["configs/coco.yaml", "--labels", " "], "argument --labels: ' ': expected a name"),
    (TRAIN, ["configs/magicpoint.yaml", "--labels", "folder"], "--labels: configs/magicpoint.yaml trains a detector"),
    (TRAIN, ["configs/coco.yaml", "--strategy", "many"], "argument --strategy: invalid choice: 'many'"),
    (TRAIN, ["configs/coco.yaml", "--ray"], "--ray and --workers N go together"),
    (TRAIN, ["configs/coco.yaml", "--workers", "2"], "--ray and --workers N go together"),
    (TRAIN, ["configs/coco.yaml", "--ray", "--workers", "0"], "argument --workers: '0': expected a whole number above"),
    (
        TRAIN,
        ["configs/coco.yaml", "--ray", "--workers", "2", "--strategy", "mirrored"],
        "--strategy mirrored is one machine alone: leave it out, or --ray",
    ),
    (
        TRAIN,
        ["configs/magicpoint.yaml", "--ray", "--workers", "5"],
        "does not divide into 5 replicas; make it a multiple of 5",
    ),
    (TRAIN, ["configs/coco.yaml", "--overwrit"], "--overwrit: no such option; did you mean --overwrite?"),
    (TRAIN, ["configs/coco.yaml", "--set"], "argument --set: expected at least one argument"),
    (TRAIN, ["configs/coco.yaml", "--set", "steps"], "--set 'steps': expected key=value"),
    (TRAIN, ["configs/coco.yaml", "--set", "=3"], "expected key=value"),
    (TRAIN, ["configs/coco.yaml", "--set", ""], "expected key=value"),
    (
        TRAIN,
        ["configs/coco.yaml", "--set", "joint.stepps=3"],
        "unknown key `joint.stepps`; did you mean `joint.steps`?",
    ),
    (TRAIN, ["configs/coco.yaml", "--set", "joint..steps=3"], "unknown key `joint.`; known here: steps"),
    (TRAIN, ["configs/coco.yaml", "--set", "joint=3"], "`joint` is a section, found 3"),
    (TRAIN, ["configs/coco.yaml", "--set", "seed.x=3"], "`seed`: expected a whole number, found {'x': 3}"),
    (TRAIN, ["configs/coco.yaml", "--set", "joint.steps=-3"], "`joint.steps`: -3 is below the minimum 1"),
    (TRAIN, ["configs/coco.yaml", "--set", "joint.steps=[1"], "the value is not valid YAML"),
    (TRAIN, ["configs/coco.yaml", "--set", "joint.steps=*a"], "no anchors and aliases"),
    (GENERATE, ["--num", "0"], "argument --num: '0': expected a whole number above 0"),
    (GENERATE, ["--num", "-3"], "argument --num: '-3': expected"),
    (GENERATE, ["--num", "1" * 5000], "expected at most 2147483647"),
    (GENERATE, ["--seed", "-1"], "argument --seed: '-1': expected a whole number from 0 up"),
    (GENERATE, ["--seed", "\N{SUPERSCRIPT TWO}"], "argument --seed"),
    (GENERATE, ["--workers", "-2"], "argument --workers: '-2'"),
    (GENERATE, ["--workers", "1.5"], "argument --workers: '1.5': expected a whole number from 0 up, or -1"),
    (GENERATE, ["--primitives", ""], "argument --primitives: '' is not one of lines, polygon"),
    (GENERATE, ["--primitives", "star,,cube"], "'' is not one of lines"),
    (GENERATE, ["--primitives", "star,sqare"], "'sqare' is not one of lines"),
    (GENERATE, ["--primitives", "star,cub"], "did you mean cube?"),
    (GENERATE, ["--output", ""], "argument --output: ''"),
    (GENERATE, ["--output", "notes.txt"], "is a file; name a folder"),
    (GENERATE, ["--shard", "2/2"], "argument --shard: '2/2': expected 0 <= i < n"),
    (GENERATE, ["--ray", "--shard", "0/2"], "--ray shares the work out by itself: leave out --shard"),
    (GENERATE, ["--ray", "--workers", "2"], "give one of them"),
    (ADAPT, ["--ray", "--shard", "0/2"], "--ray shares the work out by itself: leave out --shard"),
    ("extract.py", ["--ray", "a.png"], "argument --ray: 'a.png': expected host:port"),
    (GENERATE, ["--shard", "one"], "argument --shard: 'one': expected i/n"),
    (GENERATE, ["--set", "synthetic.root="], "`synthetic.root`: is empty"),
    ("samples.py", ["a.png"], "is a file; name a folder"),
    (GENERATE, ["surplus"], "surplus: cannot be read (No such file or directory)"),
    (GENERATE, ["configs/coco.yaml", "surplus"], "unrecognized arguments: surplus"),
    (GENERATE, ["--output", "shapes.gif"], "names a file, and a folder is written"),
    (ADAPT, ["--iters", "0"], "argument --iters: '0'"),
    (ADAPT, ["--images", "nowhere"], "no photographs in nowhere: it does not exist"),
    (ADAPT, ["--images", "folder"], "no photographs in folder (looked for"),
    (ADAPT, ["--images", "a.png"], "it is not a folder"),
    (ADAPT, ["--images", ""], "argument --images: ''"),
    (ADAPT, ["--num-homographies", "none"], "argument --num-homographies: 'none'"),
    (ADAPT, ["--detector", ""], "argument --detector: ''"),
    (ADAPT, ["--detector", "a.npz", "--from-scratch"], "give one of them"),
    (ADAPT, ["--strategy", "multiworker"], "argument --strategy: invalid choice"),
    (ADAPT, ["--output", "notes.txt"], "is a file; name a folder"),
    ("evaluate.py", [], "required: protocol"),
    ("evaluate.py", ["other"], "argument protocol: invalid choice: 'other'"),
    ("evaluate.py", ["hpatchs"], "did you mean hpatches?"),
    ("evaluate.py", ["hpatches", "configs/coco.yaml", "--config", "configs/small.yaml"], "two configs are given, "),
    ("evaluate.py", ["synthetic", "--output", "results.html"], "names a file, and a folder is written"),
    ("evaluate.py", ["hpatches"], "hpatches needs --data DIR"),
    ("evaluate.py", ["hpatches", "--data", ""], "argument --data: ''"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--num", "3"], "--num does not apply"),
    ("evaluate.py", ["synthetic", "--data", "folder"], "--data and --presets and --stretch do not apply"),
    ("evaluate.py", ["synthetic", "--num", "0"], "argument --num: '0'"),
    ("evaluate.py", ["shifts"], "shifts needs --data DIR"),
    ("evaluate.py", ["shifts", "--data", "folder", "--presets", "240x320"], "--presets does not apply"),
    ("evaluate.py", ["shifts", "--data", "folder", "--transposed"], "shifts has no pairs of views to compare"),
    ("evaluate.py", ["synthetic", "--compare", "FAST", "Harris"], "--compare and --transposed do not apply"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--compare", "FAST"], "argument --compare: expected 2 arguments"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--phases", "3"], "argument --phases: invalid choice: 3"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--presets", "1x1"], "argument --presets: invalid choice"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--output", "notes.txt"], "is a file; name a folder"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--write-images", "a.png"], "is a file; name a folder"),
    ("export.py", [], "name a --format (savedmodel, tflite, onnx), or --table"),
    (
        "export.py",
        ["--format", "tflite", "--threshold", "2"],
        "argument --threshold: threshold: 2.0 is above the maximum 1",
    ),
    ("export.py", ["--format", "tflite", "--threshold", "0.5"], "--threshold: only with --with-postprocessing"),
    ("export.py", ["--format", "tflite", "--border", "-1"], "argument --border: border_px: -1 is below the minimum 0"),
    (
        "export.py",
        ["--format", "onnx", "--max-keypoints", "9", "--nms-radius", "1"],
        "--max-keypoints, --nms-radius: only",
    ),
    (
        "export.py",
        ["--format", "tflite", "--max-keypoints", "0"],
        "argument --max-keypoints: '0': expected a whole number above 0",
    ),
    ("export.py", ["--format", "tflite", "--image-shape", "480"], "--image-shape 480: give a height and a width"),
    ("export.py", ["--format", "tflite", "--image-shape", "48", "99999"], "up to 8192 pixels"),
    ("export.py", ["--format", "savedmodel", "--precision", "int8"], "choose --format tflite or onnx"),
    (
        "export.py",
        ["--format", "tflite", "--output", "small.onnx"],
        "the name is of another format; end it with .tflite",
    ),
    ("export.py", ["--format", "tflite", "--output", "a.gif"], "the name is of another format; end it with .tflite"),
    ("export.py", ["--format", "savedmodel", "--output", "a.gif"], "end it with .savedmodel"),
    ("export.py", ["--format", "tfilte"], "did you mean tflite?"),
    ("export.py", ["--format", "tflite", "--output", "folder"], "a folder that no export made is there"),
    ("export.py", ["--format", "savedmodel", "--output", "notes.txt"], "a SavedModel is a folder and a file is there"),
    ("export.py", ["--format", "tflite", "--output", "notes.txt/a.tflite"], "is no folder that can be written"),
    ("export.py", ["--table", "--format", "onnx", "--output", "x"], "--format, --output do not apply"),
    ("export.py", ["--table", "--precision", "int8"], "--precision do not apply"),
    ("extract.py", [], "required: IMAGES"),
    ("extract.py", ["nowhere"], "nowhere: no such file or folder"),
    ("extract.py", ["*.jpg"], "*.jpg: no file matches this pattern"),
    ("extract.py", ["folder"], "no photographs in"),
    ("extract.py", ["--images", "folder"], "--images: no such option; IMAGES is given without one"),
    ("extract.py", ["a.png", "--max-keypoint", "9"], "--max-keypoint: no such option; did you mean --max-keypoints?"),
    ("extract.py", ["a.png", "--max_keypoints=9"], "--max_keypoints: no such option; did you mean --max-keypoints?"),
    ("extract.py", ["-output", "x.h5", "a.png"], "-output: no such option; did you mean --output?"),
    ("extract.py", ["a.png", "--output", "out.gif"], "argument --output: 'out.gif': name a file that ends with .h5 or"),
    ("extract.py", ["a.png", "--colmap", "out.gif"], "argument --colmap: 'out.gif': name a file that ends with .db or"),
    ("extract.py", ["a.png", "--write-frames", "out.gif"], "names a file, and a folder is written"),
    ("extract.py", ["a.png", "--output", "folder"], "'folder' is a folder; name a file"),
    ("extract.py", ["a.png", "--output", "a.png"], "argument --output: 'a.png': name a file that ends with .h5"),
    ("extract.py", ["a.png", "--output", "x", "--colmap", "x"], "--colmap x: would overwrite --output"),
    ("extract.py", ["a.png", "--colmap-overlap", "3"], "need --colmap DATABASE"),
    ("extract.py", ["a.png", "--threshold", "nan"], "argument --threshold: threshold: nan is below the minimum 0"),
    ("extract.py", ["a.png", "--threshold", "low"], "argument --threshold: 'low': expected a number"),
    ("extract.py", ["a.png", "--nms-radius", "1.5"], "argument --nms-radius: '1.5': expected a whole number"),
    ("extract.py", ["a.png", "--nms-radius", "-1"], "nms_radius_px: -1 is below the minimum 0"),
    ("extract.py", ["a.png", "--max-keypoints", "1" * 30], "expected at most 2147483647"),
    ("extract.py", ["a.png", "--resize", "8"], "argument --resize: '8': expected 16 pixels or more"),
    ("extract.py", ["a.png", "--every", "0"], "argument --every: '0'"),
    ("extract.py", ["a.png", "--weights", ""], "argument --weights: ''"),
    ("match.py", ["a.png"], "required: B"),
    ("match.py", ["a.png", "b.png", "--figure", "f.jpg"], "name a file that ends with .png"),
    ("match.py", ["a.png", "b.png", "--figure", "b.png"], "--figure b.png: would overwrite b.png"),
    ("match.py", ["a.png", "b.png", "--figure", "x.png", "--panorama", "./x.png"], "would overwrite --figure"),
    ("match.py", ["a.png", "b.png", "--panorama", "p.gif"], "argument --panorama: 'p.gif': name a file that ends with"),
    ("match.py", ["a.png", "b.png", "--disparity", "d.gif"], "argument --disparity: 'd.gif': name a file that ends"),
    ("match.py", ["a.png", "b.png", "--ratio", "2"], "argument --ratio: '2': expected a number from 0 to 1"),
    ("match.py", ["a.png", "b.png", "--threshold-px", "0"], "argument --threshold-px: '0'"),
    ("match.py", ["a.png", "b.png", "--save-matches", "m.csv"], "ends with .npz or .txt"),
    ("show.py", ["a.png", "--output", "out.gif"], "--output out.gif: name a .png for a picture"),
    ("show.py", ["nowhere.png"], "nowhere.png: no such file or folder"),
    ("show.py", ["a.png", "--output", "a.png"], "would overwrite a.png"),
    ("show.py", ["a.png", "b.png", "--output", "x.png"], "names a picture, but 2 files are to be saved; name a folder"),
    ("show.py", ["a.png", "--output", "x.mp4"], "names a video, but"),
    ("show.py", ["a.png", "--output", "notes.txt"], "--output notes.txt: name a .png for a picture"),
    ("show.py", ["a.png", "--output", "notes.txt/x.png"], "notes.txt is no folder"),
    ("finetune.py", [], "required: FOLDER"),
    ("finetune.py", ["nowhere"], "no photographs in nowhere: it does not exist"),
    ("finetune.py", ["folder"], "no photographs in folder (looked for"),
    ("finetune.py", ["."], "2 photographs to learn from and 0 held out; give a folder with more of them"),
    ("finetune.py", ["bundled", "--output", "notes.txt"], "is a file; name a folder"),
    ("finetune.py", ["bundled", "--weights", ""], "argument --weights: ''"),
    ("import_labels.py", ["folder"], "required: --images"),
    ("import_labels.py", ["folder", "--images", "nowhere"], "no photographs in nowhere"),
    ("import_labels.py", ["folder", "--images", "."], "no files of points in folder (looked for .npz, .txt, .csv)"),
    ("import_labels.py", ["nowhere", "--images", "."], "no files of points in nowhere (it does not exist)"),
    ("import_labels.py", ["notes.txt", "--images", "."], "it is a file: name the folder that it lies in"),
    ("import_labels.py", ["folder", "--images", "a.png"], "it is not a folder"),
    (
        "extract.py",
        ["0"],
        "0: no picture, video or folder; `python tools/show.py 0` shows a camera; here record a video",
    ),
    ("show.py", ["/dev/video9"], "`python tools/show.py 9` shows a camera"),
    ("show.py", ["0", "--output", "x.mp4"], "camera 0: is shown in a window, and --output is for files"),
    ("finetune.py", ["bundled", "--set", "joint.teacher=nowhere"], "nowhere: no weights there"),
    ("import_labels.py", [".", "--images", "."], "notes.txt: no photograph of that name in . (2 of 2 files"),
    ("import_labels.py", [".", "--images", ".", "--scaled", "240x320"], "expected HOW:HEIGHTxWIDTH, for example"),
    ("import_labels.py", [".", "--images", ".", "--scaled", "cover:0x8"], "expected a whole number above 0"),
    ("import_labels.py", [".", "--images", ".", "--order", "yxs"], "argument --order: invalid choice"),
    ("import_weights.py", [], "required: FILE"),
    (
        "import_weights.py",
        ["a.pth", "--output", "weights.h5"],
        "argument --output: 'weights.h5': name a file that ends with .npz",
    ),
    ("demo.py", ["--pictures", "docs", "--from-scratch"], "do not apply"),
    ("demo.py", ["--output", "notes.txt"], "is a file; name a folder"),
    ("demo.py", ["--output", "out.gif"], "names a file, and a folder is written"),
    ("benchmark.py", ["everything"], "invalid choice: 'everything'"),
    ("benchmark.py", ["--repeats", "0"], "argument --repeats: '0'"),
    ("benchmark.py", ["--batch-size", "many"], "argument --batch-size: 'many'"),
    ("benchmark.py", ["--output", "folder"], "'folder' is a folder; name a file"),
    ("benchmark.py", ["--output", "out.gif"], "'out.gif': name a file that ends with .json"),
    ("benchmark.py", ["lost"], "did you mean loss?"),
    ("benchmark.py", ["--images", "nowhere"], "no photographs in nowhere"),
    (TRAIN, ["configs/quickstart.yaml"], "or pass --labels with the folder that its --output named"),
    (TRAIN, ["configs/coco.yaml", "--labels", "nowhere"], "no labels in nowhere; run"),
    (TRAIN, ["configs/magicpoint.yaml", "--set", "detector.init=nowhere"], "nowhere: no weights there"),
    (ADAPT, ["--images", "bundled", *SMALL, "--detector", "nowhere"], "nowhere: no weights there"),
    ("evaluate.py", ["hpatches", "--data", "nowhere"], "nowhere: no such folder"),
    ("evaluate.py", ["random-homography", "--data", "nowhere"], "nowhere: no such folder"),
    ("evaluate.py", ["shifts", "--data", "nowhere"], "nowhere: no such folder"),
    ("export.py", ["--format", "tflite", "--weights", "nowhere"], "nowhere: no weights there"),
    ("export.py", ["--format", "tflite", "--images", "nowhere"], "no photographs in nowhere"),
    ("extract.py", ["a.png", "--weights", "nowhere"], "nowhere: no weights there"),
    ("extract.py", ["a.png", "--weights", "superpont-small"], "did you mean superpoint-small?"),
    ("extract.py", ["a.png", "--keypoints", "sfit"], "--keypoints sfit: no detector of that name and no weights there"),
    ("extract.py", ["a.png", "--keypoints", "sfit"], "rootsift, orb, akaze, hardnet"),
    ("extract.py", ["a.png", "--keypoints", "sfit"], "did you mean sift?"),
    ("match.py", ["a.png", "b.png", "--keypoints", "sift", "--descriptor", "hardnett"], "did you mean hardnet?"),
    ("match.py", ["nowhere.png", "b.png"], "nowhere.png"),
    ("show.py", ["a.png", "--output", "x.png", "--weights", "nowhere"], "nowhere: no weights there"),
    ("finetune.py", ["bundled", "--weights", "nowhere"], "nowhere: no weights there"),
    ("import_weights.py", ["nowhere.pth"], "nowhere.pth"),
    ("benchmark.py", ["extract", "--quick", "--weights", "nowhere"], "nowhere: no weights there"),
    ("match.py", ["a.png", "folder"], "folder: is a folder; name a picture"),
    ("match.py", ["a.png", "b.png", "--weights", "gone/weights.npz"], "gone/weights.npz: no weights there"),
    ("match.py", ["a.png", "b.png", "--weights", "folder"], "folder/weights.npz: no weights there"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--methods", "Mine=gone/small"], "no file or folder gone/small"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--methods", "SIFT+gone.npz"], "no file or folder gone.npz"),
]
WITH_TENSORFLOW = [
    (TRAIN, ["configs/magicpoint.yaml", "--output", "taken"], "taken: not empty and not a run folder"),
    (TRAIN, ["configs/magicpoint.yaml", "--strategy", "multiworker"], "TF_CONFIG"),
    (
        TRAIN,
        ["configs/magicpoint.yaml", "--set", "synthetic.source=records"],
        "run `python tools/generate_synthetic.py`",
    ),
    (ADAPT, ["--images", "bundled", *SMALL, "--output", "taken"], "taken: not empty and not a label folder"),
    (ADAPT, ["--images", "bundled", *SMALL, "--shard", "0/2", "--overwrite"], "--overwrite would delete what other"),
    ("evaluate.py", ["hpatches", "--data", "folder"], "folder: no sequences"),
    (
        "evaluate.py",
        ["hpatches", "--data", "folder", "--methods", "SIFT", "ORB", "--compare", "SIFT", "FAST"],
        "--compare 'FAST': no row of that name; there are 'SIFT', 'ORB'",
    ),
    ("evaluate.py", ["hpatches", "--data", "folder", "--methods", "SIFTT"], "--methods SIFTT: no file or folder SIFTT"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--methods", "SIFT", "SIFT"], "two rows are called 'SIFT'"),
    ("evaluate.py", ["hpatches", "--data", "folder", "--methods", "SITF"], "did you mean SIFT?"),
    ("extract.py", ["a.png", "--weights", "magicpoint-small", "--colmap", "c.db"], "a detector alone"),
    ("match.py", ["a.png", "notes.txt"], "notes.txt"),
    ("finetune.py", ["bundled", "--output", "taken"], "taken: not empty and not of a fine-tuning"),
]


def name_of(case: tuple[str, list[str], str] | str | list[str]) -> str:
    return " ".join(case)[:60] if isinstance(case, list) else ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((24, 32), np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("years of work")
    monkeypatch.delenv("TF_CONFIG", raising=False)
    return tmp_path


def assert_refused(
    run_tool: Callable[..., int], tool: str, arguments: list[str], words: str, folder: Path, error: Callable[[], str]
) -> None:
    assert run_tool(tool, *arguments) == 2
    line = error()
    assert line.startswith("error: ") and len(line.splitlines()) == 1 and words in line, line
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == EXISTING | {"taken/thesis.txt"}


@pytest.mark.parametrize(("tool", "arguments", "words"), WITHOUT_TENSORFLOW, ids=name_of)
def test_an_argument_that_cannot_be_used_is_refused(
    tool: str,
    arguments: list[str],
    words: str,
    folder: Path,
    run_tool: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("superpoint_tf.command_line.set_up_tensorflow", lambda: pytest.fail("seen too late"))
    assert_refused(run_tool, tool, arguments, words, folder, lambda: capsys.readouterr().err)


@pytest.mark.parametrize(("tool", "arguments", "words"), WITH_TENSORFLOW, ids=name_of)
def test_what_is_not_there_is_refused(
    tool: str,
    arguments: list[str],
    words: str,
    folder: Path,
    run_tool: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
):
    assert_refused(run_tool, tool, arguments, words, folder, lambda: capsys.readouterr().err)


@pytest.mark.parametrize("tool", NAMES)
def test_a_process_ends_with_code_2_and_one_line(tool: str, tmp_path: Path):
    command = [sys.executable, str(TOOLS / tool), "--nonsense"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def parser_of(tool: str, monkeypatch: pytest.MonkeyPatch) -> Parser:
    """Return the parser of a tool."""
    found: list[Parser] = []

    def stop(parser: Parser, *_: object) -> None:
        found.append(parser)
        raise SystemExit(0)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Parser, "parse_args", stop)
        patch.setattr(sys, "argv", [f"tools/{tool}"])
        runpy.run_path(str(TOOLS / tool), run_name="__main__")
    return found[0]


def options_of(tool: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, argparse.Action]:
    """Return the options of a tool by their spelling."""
    return {option: action for action in parser_of(tool, monkeypatch)._actions for option in action.option_strings}


@pytest.mark.parametrize("tool", NAMES)
def test_the_help_ends_with_examples_that_the_tool_understands(
    tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    parser = parser_of(tool, monkeypatch)
    lines = parser.format_help().partition("\nexamples:\n")[2].splitlines()
    assert len(lines) >= 2
    command = importlib.import_module(f"superpoint_tf.commands.{tool.removesuffix('.py').replace('_superpoint', '')}")
    monkeypatch.chdir(tmp_path)
    for line in lines:
        python, path, *arguments = shlex.split(line)
        assert python == "python" and path.endswith(f"tools/{tool}")
        if "--list-settings" not in arguments:  # which prints and ends
            monkeypatch.setattr(sys, "argv", [path, *arguments])
            command.parse_arguments()


@pytest.mark.parametrize("tool", NAMES)
def test_a_tool_that_takes_a_config_takes_it_with_a_name_and_without_and_lists_its_settings(
    tool: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    parser = parser_of(tool, monkeypatch)
    if "--set" not in {option for action in parser._actions for option in action.option_strings}:
        assert tool not in (ADAPT, GENERATE, TRAIN, "benchmark.py", "evaluate.py", "train.py")
        return
    first = {"evaluate.py": ["synthetic"], "benchmark.py": ["all"], "finetune.py": ["folder"]}
    first["import_labels.py"] = ["points", "--images", "folder"]
    before = first.get(tool, [])
    flag = "--quick" if tool == "benchmark.py" else "--overwrite"
    for given in (["--config", "a.yaml"], ["a.yaml"]):
        assert parser.parse_args([*before, *given, flag, "--set", "seed=3"]).config == "a.yaml"
        assert parser.parse_args([flag, *before, "--set", "seed=3", flag, *given]).config == "a.yaml"
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--list-settings", "network"])
    assert end.value.code in (0, None) and "network.width=1.0" in capsys.readouterr().out


def test_an_option_means_the_same_in_every_tool_that_has_it(monkeypatch: pytest.MonkeyPatch):
    by_field: dict[str, set[str]] = {}
    for path in TOOLS.glob("*.py"):
        for option, action in options_of(path.name, monkeypatch).items():
            by_field.setdefault(action.dest, set()).add(option)
    assert by_field["threshold"] == {"--threshold"} and by_field["nms_radius_px"] == {"--nms-radius"}
    assert {field: options for field, options in by_field.items() if len(options) > 1} == {"help": {"-h", "--help"}}


def test_an_option_takes_the_same_kind_of_value_in_every_tool_that_has_it(monkeypatch: pytest.MonkeyPatch):
    values: dict[str, set[object]] = {}
    for path in TOOLS.glob("*.py"):
        for option, action in options_of(path.name, monkeypatch).items():
            values.setdefault(option, set()).add(action.metavar)
            assert action.nargs == 0 or action.choices or action.metavar, f"{path.name} {option}: shown in capitals"
    assert values["--output"] == {"DIR", "FILE", "PATH"}  # a folder, a file, or either
    assert {option: kinds for option, kinds in values.items() if len(kinds) > 1 and option != "--output"} == {}
