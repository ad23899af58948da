"""A run that is stopped under one TensorFlow and started again under the other goes on as if nothing had happened.

Needs two interpreters: beside the present one the first of `.venv`, `.venv-3.12` and `.venv-3.13` that has another
TensorFlow, or OTHER_PYTHON=/path/to/python.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
STEPS, STOPPED_AFTER = 40, 15
SETTINGS = {
    "train": "detector",
    "workers": 0,
    "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
    "synthetic": {
        "source": "generator",
        "draw": {
            "image_shape": [40, 48],
            "primitives": ["lines", "polygon", "star", "cube"],
        },  # alike in OpenCV 4 and 5
        "photometric": {"backend": "graph"},  # imgaug does not run on every stack
    },
    "detector": {
        "steps": STEPS,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "warmup_steps": 2,
        "ema_decay": 0.9,
        "log_every": 1,
        "validate_every": 20,
        "num_figures": 1,
    },
    "evaluation": {"image_shape": [40, 48], "num_synthetic": 1},
}


def _tensorflow_of(python: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('tensorflow'))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def other_python() -> str:
    """Return an interpreter that has another TensorFlow than this one."""
    environments = [CHECKOUT / name / "bin/python" for name in (".venv", ".venv-3.12", ".venv-3.13")]
    candidates = [Path(os.environ["OTHER_PYTHON"])] if "OTHER_PYTHON" in os.environ else environments
    for python in candidates:
        if python.exists() and _tensorflow_of(python) not in ("", importlib.metadata.version("tensorflow")):
            return str(python)
    pytest.skip(f"no interpreter with another TensorFlow: {', '.join(map(str, candidates))}")


def _start(python: str, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SETTINGS))
    command = [python, str(CHECKOUT / "tools/train_superpoint.py"), "tiny.yaml", "--output", "run"]
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)


def _losses(folder: Path) -> list[float]:
    lines = (folder / "run/metrics.jsonl").read_text().splitlines()
    return [record["total"] for record in map(json.loads, lines) if record["kind"] == "train"]


def _run(folder: Path, python: str) -> list[float]:
    assert _start(python, folder).wait() == 0, (folder / "log").read_text()[-3000:]
    return _losses(folder)


def _stop_half_way(folder: Path, python: str) -> None:
    process, log = _start(python, folder), folder / "log"
    while f"step {STOPPED_AFTER}/" not in log.read_text() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143, log.read_text()[-3000:]
    assert STOPPED_AFTER <= len(_losses(folder)) < STEPS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return _run(tmp_path_factory.mktemp("undisturbed"), sys.executable)


@pytest.mark.parametrize("begun_here", [True, False], ids=["here and there", "there and here"])
def test_a_run_stopped_under_one_goes_on_under_the_other(
    begun_here: bool, undisturbed: list[float], other_python: str, tmp_path: Path
):
    first, second = (sys.executable, other_python) if begun_here else (other_python, sys.executable)
    _stop_half_way(tmp_path, first)
    losses = _run(tmp_path, second)
    assert "continues at step" in (tmp_path / "log").read_text()
    assert len(losses) == STEPS and losses[0] > losses[-1] + 0.5  # it learns
    np.testing.assert_allclose(losses, undisturbed, rtol=0, atol=1e-3)
