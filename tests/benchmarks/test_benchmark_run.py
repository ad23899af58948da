"""Benchmarks run at their smallest: tables, the JSON file, and the command as a user gives it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.benchmarks import benchmark as run
from superpoint_tf.benchmarks import pipeline
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.network import prepare_network, random_batch
from superpoint_tf.benchmarks.settings import Settings, worker_counts
from superpoint_tf.commands.benchmark import BENCHMARKS, GPU, LABELS
from superpoint_tf.config import Config, NetworkConfig
from superpoint_tf.runtime.progress import Console

ROOT = Path(__file__).resolve().parents[2]
TINY = Settings(dataclasses.replace(Config(), network=NetworkConfig(width=0.125)), repeats=1, quick=True)


def test_the_command_offers_every_benchmark() -> None:
    assert tuple(run.BENCHMARKS) == (*BENCHMARKS, GPU, LABELS)


def test_a_run_prints_a_table_and_writes_device_versions_limits_and_entries(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "benchmark.json"
    run.run_benchmarks(["extract"], TINY, str(output), "python tools/benchmark.py extract", Console())
    printed = capsys.readouterr().out
    assert "extract 240x320" in printed and "descriptor sampling 240x320" in printed
    report = json.loads(output.read_text())
    assert {"format", "command", "date", "device", "cpu", "cores", "gpus", "versions", "settings"} <= report.keys()
    assert {"python", "numpy", "tensorflow", "opencv"} <= report["versions"].keys()
    result = report["benchmarks"]["extract"]
    assert result["limits"].keys() == {"matmul_flops", "copy_bytes", "device_copy_bytes"}
    names = [entry["name"].split()[0] for entry in result["entries"]]
    first, others = names[:4], names[4:]
    assert first == ["extract", "forward", "NMS,", "descriptor"] and "hardnet" not in names
    assert {"superpoint-small", "superpoint-nano", "SIFT", "ORB", "AKAZE", "XFeat's"} <= {*others}
    assert all(len(entry["seconds"]) == 1 and entry["value"] > 0 for entry in result["entries"])


@pytest.mark.parametrize("kind", ["detector step", "joint step"])
def test_a_training_step_changes_the_weights(kind: str) -> None:
    step = prepare_network(kind, 0.125, (16, 24), batch=2)
    first = step().numpy()
    assert not np.array_equal(step().numpy(), first)


def test_random_batches_look_like_those_of_the_pipeline() -> None:
    feed = pipeline.synthetic_feed(dataclasses.replace(TINY, batch_size=2))
    with feed.stream(TINY.config, workers=0) as stream:
        real = next(stream.batches())
    random = random_batch(False, (120, 160), 2)
    assert {key: (value.shape, value.dtype) for key, value in random.items()} == {
        key: (value.shape, value.dtype) for key, value in real.items() if key != "numbers"
    }


def test_random_pairs_look_like_those_of_the_pipeline(tmp_path: Path) -> None:
    feed = pipeline.photographs_feed(dataclasses.replace(TINY, batch_size=2), str(tmp_path))
    with feed.stream(TINY.config, workers=0) as stream:
        real = next(stream.batches())
    random = random_batch(True, (240, 320), 4)
    assert {key: (value.shape, value.dtype) for key, value in random.items()} == {
        key: (value.shape, value.dtype) for key, value in real.items() if key != "numbers"
    }


def test_each_part_of_photograph_pairs_is_timed(tmp_path: Path) -> None:
    feed = pipeline.photographs_feed(dataclasses.replace(TINY, batch_size=1), str(tmp_path))
    entries = list(pipeline.part_entries(feed, TINY.config, repeats=1, limits=Limits(1e9, 1e9, 1e9)))
    assert [entry.name.strip().split(": ")[-1] for entry in entries] == [
        "a worker's part, one core",
        "photometric change by imgaug",
        "photometric change in the graph",
        "read, decode, crop",
        "warp, mask, labels in one graph",
    ]
    assert all(entry.value > 0 for entry in entries)


def test_workers_are_counted_up_to_the_cores() -> None:
    counts = worker_counts()
    assert counts[0] == 1 and counts == sorted(counts) and counts[-1] <= 16


@pytest.mark.slow
@pytest.mark.parametrize("name", list(run.BENCHMARKS))
def test_the_command_runs_quickly(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/benchmark.py"), name, "--quick", "--repeats", "1"]
    done = subprocess.run(
        [*command, "--set", "network.width=0.125"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    entries = json.loads((tmp_path / "benchmark.json").read_text())["benchmarks"][name]["entries"]
    assert entries and all(np.isfinite(entry["value"]) for entry in entries)


def test_a_system_that_does_not_tell_memory_is_an_error_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> int:
        raise OSError("the peak memory of a process is not known here; run this on Linux or macOS")

    monkeypatch.setattr(run, "peak_resident_bytes", unknown)
    with pytest.raises(OSError, match="run this on Linux or macOS"):
        run.run_benchmarks(["extract"], TINY, str(tmp_path / "b.json"), "python tools/benchmark.py extract", Console())
    assert not list(tmp_path.iterdir())
