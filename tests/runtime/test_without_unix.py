"""As on Windows: the modules and functions that only Unix has are away; everything imports, and tools run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

AWAY = """
import os, runpy, signal, sys
for module in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog"):
    sys.modules[module] = None
for module, names in {os: ("pread", "sched_getaffinity", "getloadavg", "O_CLOEXEC", "getuid", "fork"),
                      signal: ("SIGHUP", "SIGUSR1", "SIGALRM", "setitimer")}.items():
    for name in names:
        delattr(module, name)
"""
IMPORT_ALL = """
import importlib, pathlib
root = pathlib.Path(sys.argv[1])
names = [".".join(path.relative_to(root).with_suffix("").parts) for path in sorted(root.glob("superpoint_tf/**/*.py"))]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name.removesuffix(".__init__"))
print(len(names))
"""
RUN = "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"


def run(code: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-c", AWAY + code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_every_module_imports(checkout: Path):
    assert int(run(IMPORT_ALL, str(checkout), folder=checkout)) > 300


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), noise)
    return tmp_path


def test_features_are_extracted(picture: Path, checkout: Path):
    tool = str(checkout / "tools" / "extract.py")
    run(RUN, tool, "pictures", "--keypoints", "sift", "--output", "x.h5", folder=picture)
    with h5py.File(picture / "x.h5") as file:
        assert len(file["a.png/keypoints"]) > 10
    assert sorted(path.name for path in picture.iterdir()) == ["pictures", "x.h5"]


@pytest.mark.slow
def test_shapes_are_drawn_and_read_again(tmp_path: Path, checkout: Path):
    small = ["synthetic.num_validation=1", "synthetic.num_test=1", "synthetic.draw.image_shape=[32, 40]"]
    tool = str(checkout / "tools" / "generate_synthetic.py")
    run(RUN, tool, "--num", "3", "--workers", "1", "--set", *small, folder=tmp_path)
    read = f"sys.path.insert(0, {str(checkout)!r})\n"
    read += "from superpoint_tf.data.shapes.record_reader import SyntheticRecords\n"
    read += "print([SyntheticRecords('data/synthetic', 'train')[number][0].shape for number in (0, 1, 2)])"
    assert run(read, folder=tmp_path).strip() == str([(32, 40)] * 3)
