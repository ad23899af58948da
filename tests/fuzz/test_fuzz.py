"""What others may have written, damaged: each parser ends in its own error; `fuzz.py` does the same for longer."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from mutation import mutate
from targets import BUILDERS, Target, attempt, build_target

CORPUS = sorted(path for path in (HERE / "corpus").rglob("*") if path.is_file())
SECONDS = float(os.environ.get("SUPERPOINT_TF_FUZZ_SECONDS", "0"))  # for each target, beside the runs below
RUNS = 40
MOST_SECONDS, MOST_BYTES = 5.0, 600 * 2**20  # of one run, in processor time; of all runs of a target


def fuzz(target: Target, folder: Path, runs: int, seconds: float, seed: int) -> int:
    """Run until both the number and the time are reached; return how many were refused."""
    generator, seeds = random.Random(seed), target.seeds()
    refused = done = 0
    until = time.monotonic() + seconds
    while done < runs or time.monotonic() < until:
        began = time.process_time()
        refused += attempt(target, mutate(generator, seeds), folder) is not None
        assert time.process_time() - began < MOST_SECONDS, f"run {done} of seed {seed}"
        done += 1
    return refused


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.filterwarnings("ignore:Duplicate name", "ignore:Reading `.npy`")
@pytest.mark.parametrize("name", BUILDERS)
def test_damaged_bytes_end_in_the_documented_error_alone(name: str, tmp_path: Path):
    target = build_target(name)
    before = peak_bytes()
    refused = fuzz(target, tmp_path, RUNS, SECONDS, seed=1)
    assert refused > 0  # the mutations reach the parser
    assert peak_bytes() - before < MOST_BYTES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name", "ignore:Reading `.npy`")
@pytest.mark.parametrize("name", BUILDERS)
def test_damaged_bytes_end_in_the_documented_error_for_longer(name: str, tmp_path: Path):
    fuzz(build_target(name), tmp_path, RUNS, 10.0, seed=2)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_refused_in_one_line(path: Path, tmp_path: Path):
    target = build_target(path.parent.name)
    before = peak_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = attempt(target, path.read_bytes(), tmp_path)
    assert message is not None
    assert peak_bytes() - before < MOST_BYTES


def test_the_entry_for_maintainers_reports_its_runs(tmp_path: Path):
    command = [sys.executable, str(HERE / "fuzz.py"), "homography", "--seconds", "1", "--without-atheris"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    runs = int(done.stdout.split()[1])
    assert done.stdout.startswith("homography: ") and done.stdout.endswith(" 0 findings\n") and runs > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", BUILDERS)
def test_what_nobody_damaged_is_read(name: str, tmp_path: Path):
    target = build_target(name)
    assert attempt(target, target.seeds()[0], tmp_path) is None
