"""The import of TensorFlow, with a stand-in that logs as C++ does: past Python, to the file descriptor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = """
import os, types
os.write(2, b'I0000 no CUDA here\\n')
config = types.SimpleNamespace(list_physical_devices=lambda: os.write(2, b'E0000 no GPU here\\n'))
"""
SILENT = "import types; config = types.SimpleNamespace(list_physical_devices=lambda: None)"
SAID = "I0000 no CUDA here\nE0000 no GPU here\n"
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
    assert said(tmp_path, LOGS, "0") == f"{SAID}later"


def test_an_import_that_fails_shows_them_before_the_error(tmp_path: Path):
    shown = said(tmp_path, f"{LOGS}raise ImportError('no such library')", "3")
    assert shown.startswith("I0000 no CUDA here\n") and shown.endswith("ImportError: no such library\n")


def test_where_no_temporary_file_can_be_made_they_are_let_through(tmp_path: Path):
    assert said(tmp_path, LOGS, "3", before="import tempfile; tempfile.tempdir = '/nowhere'; ") == f"{SAID}later"


def test_a_closed_standard_error_stops_no_import(tmp_path: Path):
    (tmp_path / "tensorflow.py").write_text(SILENT)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    code = "from superpoint_tf.runtime.quiet import import_tensorflow; import_tensorflow(); print('here')"
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    assert subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False).stdout == b"here\n"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process, as a user does who has set nothing."""
    unset = ("TF_CPP_MIN_LOG_LEVEL", "TFA_CHECK_VERSION")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_who_imports_ours_first_sees_nothing_of_tensorflows_start():
    code = (
        "from superpoint_tf import SuperPoint\n"
        "import numpy as np\n"
        "model = SuperPoint.from_pretrained('superpoint-small')\n"
        "print(len(model.extract(np.eye(64, dtype=np.uint8) * 255).scores) >= 0)"
    )
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_xla_starts_without_a_word_where_labels_are_made_and_where_it_is_asked_for():
    compiled = "tf.function(lambda x: x * 2, jit_compile=True)(tf.ones(1))"
    adapter = (
        "from superpoint_tf.runtime.quiet import import_tensorflow\nimport_tensorflow()\n"  # as tools and models do
        "from superpoint_tf.adaptation.aggregate import Adapter\nfrom superpoint_tf.config import Config\n"
        f"import tensorflow as tf\nAdapter(None, Config().adaptation)\n{compiled}"
    )
    assert run_python(adapter).stderr == ""
    unprepared = f"import superpoint_tf, tensorflow as tf\n{compiled}"
    assert run_python(unprepared).stderr  # or nothing is tested here


def test_a_level_of_the_users_own_is_kept():
    level = "os.environ['TF_CPP_MIN_LOG_LEVEL']"
    assert run_python(f"import os; {level} = '0'; import superpoint_tf; print({level})").stdout == "0\n"
