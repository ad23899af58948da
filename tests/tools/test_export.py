"""The command as a user gives it: refusals in one line, and a file with the lines that load it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def export(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools/export.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a --format (savedmodel, tflite, onnx), or --table"),
        (["--format", "savedmodel", "--precision", "int8"], "choose --format tflite or onnx"),
        (["--format", "tflite", "--image-shape", "480"], "--image-shape 480: give a height and a width"),
        (
            ["--format", "tflite", "--with-postprocessing", "--max-keypoints", "0"],
            "argument --max-keypoints: '0': expected a whole number above 0",
        ),
        (["--format", "savedmodel", "--weights", "nowhere"], "nowhere: no weights there"),
        (["--format", "savedmodel", "--images", "nowhere"], "no photographs in nowhere"),
    ],
)
def test_errors_are_one_line_with_code_2_and_create_nothing(tmp_path: Path, arguments: list[str], words: str):
    done = export(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_writes_the_file_by_the_weights_name_and_says_how_to_load_it(tmp_path: Path):
    done = export("--weights", "superpoint-small", "--format", "tflite", "--image-shape", "96", "128", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["superpoint-small-96x128.tflite"]
    assert "17 photographs" in done.stdout and "ms | tflite" in done.stdout
    assert 'tf.lite.Interpreter("superpoint-small-96x128.tflite"' in done.stdout
