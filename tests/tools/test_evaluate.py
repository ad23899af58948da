"""The command as a user gives it: tables, clear errors, and runs that are killed and go on."""

import csv
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def evaluate(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools/evaluate.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "sequences"
    for number in range(4):
        folder = root / f"{'vi'[number % 2]}_{number}"
        folder.mkdir(parents=True)
        blocks = np.random.default_rng(number).integers(0, 256, (48, 64)).astype(np.uint8)
        image = cv2.resize(blocks, (640, 480), interpolation=cv2.INTER_LINEAR)
        for k in (1, 2, 3):
            cv2.imwrite(str(folder / f"{k}.png"), np.roll(image, 4 * (k - 1), axis=1))
            np.savetxt(folder / f"H_1_{k}", [[1, 0, 4 * (k - 1)], [0, 1, 0], [0, 0, 1]])
    return root


def test_the_command_prints_a_table_a_setting_and_writes_the_report(tmp_path, data, run_tool, capsys):
    done = evaluate("hpatches", "--data", str(data), "--methods", "Harris", "grid (control)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "240x320: 240x320, 300 keypoints, NMS 4 px; right within 3 px" in done.stdout
    lines = done.stdout.splitlines()
    assert sum(line.startswith("Harris ") for line in lines) == sum(line.startswith("grid ") for line in lines) == 6
    output = tmp_path / "outputs/evaluation/hpatches"
    assert {path.name for path in output.iterdir()} == {
        "features", "figures", "pairs.csv", "report.html", "summary.json", "table.md"
    }  # fmt: skip
    assert run_tool("evaluate.py", "hpatches", "--data", str(data), "--methods", "Harris", "grid (control)") == 0
    assert "extractions: 0 computed" in capsys.readouterr().out
    (output / "thesis.txt").write_text("years of work")
    assert run_tool("evaluate.py", "hpatches", "--data", str(data), "--methods", "Harris", "--overwrite") == 0
    assert "Harris: computed again (as asked)" in capsys.readouterr().out and (output / "thesis.txt").exists()


def test_two_rows_are_compared_pair_by_pair_and_each_with_itself_under_exchanged_axes(tmp_path, data, run_tool, capsys):
    asked = ["--methods", "Harris", "FAST", "--compare", "Harris", "FAST", "--transposed", "--presets", "240x320"]
    assert run_tool("evaluate.py", "hpatches", "--data", str(data), *asked) == 0
    said, errors = capsys.readouterr()
    assert errors == ""
    headings = [line.partition(", 240x320: mean")[0] for line in said.splitlines() if ": mean of the" in line]
    assert headings == ["FAST - Harris", "Harris, x and y exchanged - Harris", "FAST, x and y exchanged - FAST"]
    assert "[v, x and y exchanged: 4 pairs]" in said
    output = tmp_path / "outputs/evaluation/hpatches"
    assert "| FAST - Harris | 240x320 | v | repeat. | " in (output / "table.md").read_text()
    assert '"standard_error"' in (output / "summary.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hpatches"], "hpatches needs --data DIR"),
        (["hpatches", "--data", "nowhere"], "nowhere: no such folder"),
        (["synthetic", "--data", "x"], "synthetic draws its own pictures"),
        (["synthetic", "--methods", "Haris"], "--methods Haris: no file or folder Haris"),
        (["synthetic", "--methods", "x=absent.py:f"], "no file absent.py"),
        (["random-homography", "--data", "."], "pass another --data"),
        (["hpatches", "--data", ".", "--num", "3"], "--num does not apply"),
        (["synthetic", "--presets", "240x320"], "--presets and --stretch do not apply"),
    ],
)
def test_errors_are_one_line_with_code_2_and_create_nothing(tmp_path, run_tool, capsys, arguments, words):
    assert run_tool("evaluate.py", *arguments) == 2
    said = capsys.readouterr().err
    assert words in said.splitlines()[-1] and "Traceback" not in said and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_files(tmp_path, data):
    methods = ["--methods", "SIFT", "ORB", "random (control)"]
    assert evaluate("hpatches", "--data", str(data), *methods, "--output", "calm", cwd=tmp_path).returncode == 0
    command = [sys.executable, str(ROOT / "tools/evaluate.py"), "hpatches", "--data", str(data), *methods]
    generator, kills = random.Random(0), 0
    for _ in range(15):
        process = subprocess.Popen([*command, "--output", "killed"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (tmp_path / "killed/features").exists():
            time.sleep(0.05)
        time.sleep(generator.uniform(0, 4))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills >= 5
    assert evaluate("hpatches", "--data", str(data), *methods, "--output", "killed", cwd=tmp_path).returncode == 0
    assert (tmp_path / "killed/pairs.csv").read_bytes() == (tmp_path / "calm/pairs.csv").read_bytes()
    with open(tmp_path / "calm/pairs.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * 3 * (8 + 4)  # settings, methods, pairs and shifted pairs
    assert not list((tmp_path / "killed").rglob("*.part"))
