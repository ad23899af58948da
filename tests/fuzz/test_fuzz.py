"""Every parser of ours on bytes that somebody damaged: `fuzz.py` does the same for as long as one likes."""

from __future__ import annotations

import os
import random
import resource
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
    assert refused > 0 or not target.errors  # the mutations reach the parser
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
    assert message is not None or not target.errors
    assert peak_bytes() - before < MOST_BYTES


@pytest.mark.parametrize("name", BUILDERS)
def test_what_nobody_damaged_is_read(name: str, tmp_path: Path):
    target = build_target(name)
    message = attempt(target, target.seeds()[0], tmp_path)
    assert message is None or "holds a run with other settings" in message
