"""The import of TensorFlow, with a stand-in that logs as C++ does: past Python, to the file descriptor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = "import os; os.write(2, b'I0000 no CUDA here\\n')\n"
IMPORT = "from superpoint_tf.runtime.quiet import import_tensorflow as run; run(); import os; os.write(2, b'later')"


def said(folder: Path, tensorflow: str, level: str, before: str = "") -> str:
    """Return what a process writes to standard error that imports this TensorFlow."""
    (folder / "tensorflow.py").write_text(tensorflow)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": level, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", before + IMPORT], env=environment, capture_output=True, text=True, check=False
    )
    return done.stderr


def test_messages_of_the_import_are_held_back_and_later_ones_shown(tmp_path: Path):
    assert said(tmp_path, LOGS, "3") == "later"


def test_another_level_shows_them(tmp_path: Path):
    assert said(tmp_path, LOGS, "0") == "I0000 no CUDA here\nlater"


def test_an_import_that_fails_shows_them_before_the_error(tmp_path: Path):
    shown = said(tmp_path, f"{LOGS}raise ImportError('no such library')", "3")
    assert shown.startswith("I0000 no CUDA here\n") and shown.endswith("ImportError: no such library\n")


def test_where_no_temporary_file_can_be_made_they_are_let_through(tmp_path: Path):
    assert said(tmp_path, LOGS, "3", before="import tempfile; tempfile.tempdir = '/nowhere'; ") == (
        "I0000 no CUDA here\nlater"
    )


def test_a_closed_standard_error_stops_no_import(tmp_path: Path):
    (tmp_path / "tensorflow.py").write_text("")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    code = "from superpoint_tf.runtime.quiet import import_tensorflow; import_tensorflow(); print('here')"
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    assert subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False).stdout == b"here\n"
