"""Several replicas follow one device; on one machine, and as two workers on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.cluster.gang import LEFT_ALONE
from superpoint_tf.config import ConfigError, TrainingConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.training.replicas import Replicas, build_replicas, cut, single_replica

SCRIPT = Path(__file__).resolve().with_name("replica_runs.py")
TIMEOUT_S = 300.0
TOLERANCE = 1e-4  # of losses; larger learning rates let rounding grow beyond it within 20 steps


def free_addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def start(folder: Path, what: str, strategy: str, output: str, *settings: str, **variables: str) -> Any:
    log = open(folder / "log", "ab")  # noqa: SIM115 (the process keeps it)
    command = [sys.executable, str(SCRIPT), what, strategy, str(folder / output), *settings]
    environment = {**os.environ, "SUPERPOINT_TF_TRACEBACK": "", **variables}
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)


@contextlib.contextmanager
def ended(processes: list[subprocess.Popen[bytes]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Leave no process behind, whatever happens."""
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def start_pair(folder: Path, what: str, output: str, *settings: str) -> list[subprocess.Popen[bytes]]:
    cluster = {"worker": free_addresses(2)}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in (0, 1)]
    return [start(folder, what, "auto", output, *settings, TF_CONFIG=config) for config in configs]


def wait(folder: Path, processes: list[subprocess.Popen[bytes]]) -> list[int]:
    deadline = time.monotonic() + TIMEOUT_S
    try:
        return [process.wait(max(deadline - time.monotonic(), 0.1)) for process in processes]
    except subprocess.TimeoutExpired:
        pytest.fail(f"hangs after {TIMEOUT_S:g} s:\n{(folder / 'log').read_text()[-3000:]}")


def run(folder: Path, what: str, strategy: str, output: str, *settings: str) -> None:
    with ended([start(folder, what, strategy, output, *settings, TF_CONFIG="")]) as processes:
        assert wait(folder, processes) == [0], (folder / "log").read_text()[-3000:]


def losses(path: Path) -> list[dict[str, float]]:
    return json.loads(path.read_text())


def assert_follow(one: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    assert len(one) == len(other) > 0
    for expected, found in zip(one, other, strict=True):
        assert found == pytest.approx(expected, abs=TOLERANCE)


# ------------------------------------------------------------------------------------------------ in one process


def with_count(count: int, workers: int = 1) -> Replicas:
    strategy: Any = type("Strategy", (), {"num_replicas_in_sync": count})()
    return Replicas(strategy, 0, workers)


def test_a_batch_that_does_not_divide_is_refused_with_its_size_and_the_replicas():
    with_count(4).check(TrainingConfig(batch_size=32))
    with pytest.raises(ConfigError, match="batch_size: 32 does not divide into 3 replicas; make it a multiple of 3"):
        with_count(3).check(TrainingConfig(batch_size=32))
    with pytest.raises(ConfigError, match="4 replicas with 16 micro-batches each; make it a multiple of 64"):
        with_count(4).check(TrainingConfig(batch_size=32, accumulate=16))


def test_xla_on_several_replicas_is_refused():
    single_replica().check(TrainingConfig(xla=True))
    with pytest.raises(ConfigError, match="xla: does not work with 2 replicas"):
        with_count(2).check(TrainingConfig(xla=True))


@pytest.mark.parametrize("tf_config", ["", "{}"])
def test_multiworker_without_a_cluster_is_refused_with_the_value_and_an_example(tf_config: str):
    with pytest.raises(ConfigError, match=r"--strategy multiworker: TF_CONFIG=.* names no cluster; write for example"):
        build_replicas("multiworker", {"TF_CONFIG": tf_config})


@pytest.mark.parametrize("choice", ["auto", "multiworker"])
def test_a_malformed_tf_config_is_refused(choice: str):
    with pytest.raises(ConfigError, match=r"TF_CONFIG=\{x: not valid JSON"):
        build_replicas(choice, {"TF_CONFIG": "{x"})


def test_auto_is_one_device_where_there_is_no_cluster_and_at_most_one_gpu():
    lonely = json.dumps({"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}})
    for environment in ({}, {"TF_CONFIG": lonely}):
        replicas = build_replicas("auto", environment)
        assert (replicas.count, replicas.workers, replicas.is_chief) == (1, 1, True)
        assert replicas.strategy is tf.distribute.get_strategy()


def test_replica_r_of_n_has_the_rth_part_of_the_batch():
    batch = {"numbers": tf.range(6)}
    assert [cut(batch, index, 3)["numbers"].numpy().tolist() for index in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert cut(batch, 0, 1)["numbers"] is batch["numbers"]


def test_the_shares_of_all_workers_are_the_whole_batch():
    config = build_config({"synthetic": {"draw": {"image_shape": [40, 48]}}})

    def second_batch(share: tuple[int, int]) -> dict[str, np.ndarray]:
        source, settings = GeneratedShapes(config), ViewSettings(config.synthetic.homography)
        with BatchStream(source, BATCHES["detector"], 4, config.seed, settings, 0, share) as stream:
            return {name: value.numpy() for name, value in next(stream.batches(1)).items()}

    whole, parts = second_batch((0, 1)), [second_batch((index, 2)) for index in (0, 1)]
    assert [part["numbers"].tolist() for part in parts] == [[4, 5], [6, 7]]
    for name in whole:
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole[name])


# ------------------------------------------------------------------------------------------------ in several


WITH_MICRO_BATCHES = ["accumulate=2", "ema_decay=0.9", "network.batch_norm=false"]
ALL_TERMS = ["keypoint_weight=1.0", "random_points=4", "max_keypoints=6", "consistency_weight=1.0"]
ALL_TERMS += ["keypoint_temperature=1.0"]  # .05 would show the rounding of batch norm twenty times larger


@pytest.mark.parametrize(
    "settings", [ALL_TERMS, pytest.param([*WITH_MICRO_BATCHES, *ALL_TERMS], marks=pytest.mark.slow)]
)
def test_two_devices_of_one_machine_follow_one_device(tmp_path: Path, settings: list[str]):
    """With batch norm over both; or with micro-batches, whose number is the same on one device and on two."""
    settings = [*settings, "steps=5", "learning_rate=1e-5"]
    run(tmp_path, "pairs", "single", "one", *settings)
    run(tmp_path, "pairs", "mirrored", "two", *settings)
    assert_follow(losses(tmp_path / "one.0.json"), losses(tmp_path / "two.0.json"))
    one, two = (load_weights(tmp_path / f"{name}.0.npz").arrays for name in ("one", "two"))
    assert one.keys() == two.keys()


@pytest.mark.slow
def test_two_workers_with_half_a_batch_follow_one_worker_with_the_batch(tmp_path: Path):
    """Batch norm takes its statistics over both; of the second worker's cells under a quarter are valid."""
    settings = ["learning_rate=3e-5", "steps=20"]
    run(tmp_path, "shapes", "single", "one", *settings)
    with ended(start_pair(tmp_path, "shapes", "two", *settings)) as processes:
        assert wait(tmp_path, processes) == [0, 0], (tmp_path / "log").read_text()[-3000:]
    assert_follow(losses(tmp_path / "one.0.json"), losses(tmp_path / "two.0.json"))
    assert losses(tmp_path / "two.0.json") == losses(tmp_path / "two.1.json")
    assert (tmp_path / "two.0.npz").read_bytes() == (tmp_path / "two.1.npz").read_bytes()
    run(tmp_path, "shapes", "single", "still", "learning_rate=0", "steps=20")
    learnt = losses(tmp_path / "one.0.json")[-1]["det"] - losses(tmp_path / "still.0.json")[-1]["det"]
    assert abs(learnt) > 10 * TOLERANCE  # the agreement is not that of networks which stand still


def results(folder: Path) -> dict[str, Any]:
    return {
        "metrics": (folder / "metrics.jsonl").read_text(),
        "weights": storage.sha256_file(folder / "weights.npz"),
        "summary": storage.read_json(folder / "summary.json"),
    }


def wait_for(path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not path.exists() and time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)
    assert path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])  # the chief, which writes, and the other
def test_a_pair_that_is_killed_or_stopped_goes_on_from_the_common_checkpoint(tmp_path: Path, killed: int):
    settings = ["steps=60", "checkpoint_every=3"]
    with ended(start_pair(tmp_path, "training", "undisturbed", *settings)) as processes:
        assert wait(tmp_path, processes) == [0, 0], (tmp_path / "log").read_text()[-3000:]
    with ended(start_pair(tmp_path, "training", "run", *settings)) as processes:
        wait_for(tmp_path / "run/checkpoints/checkpoint", processes)
        processes[killed].kill()
        codes = wait(tmp_path, processes)
        assert (codes[killed], codes[1 - killed]) == (-signal.SIGKILL, LEFT_ALONE)
    assert f"error: worker {1 - killed} of 2: another worker is gone" in (tmp_path / "log").read_text()
    with ended(start_pair(tmp_path, "training", "run", *settings)) as processes:
        wait_for(tmp_path / "run/checkpoints/latest-9.index", processes)
        os.kill(processes[1].pid, signal.SIGTERM)  # one alone: both save and stop
        assert wait(tmp_path, processes) == [143, 143], (tmp_path / "log").read_text()[-3000:]
    with ended(start_pair(tmp_path, "training", "run", *settings)) as processes:
        assert wait(tmp_path, processes) == [0, 0], (tmp_path / "log").read_text()[-3000:]
    log = (tmp_path / "run/log.txt").read_text()
    assert log.count("continues at step") == 2 and "stopped after step" in log
    assert results(tmp_path / "run") == results(tmp_path / "undisturbed")


@pytest.mark.slow
def test_workers_with_different_settings_stop_together_with_a_reason(tmp_path: Path):
    cluster = {"worker": free_addresses(2)}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in (0, 1)]
    pair = [
        start(tmp_path, "training", "auto", "run", f"checkpoint_every={3 + index}", TF_CONFIG=config)
        for index, config in enumerate(configs)
    ]
    with ended(pair) as processes:
        assert wait(tmp_path, processes) == [2, 2]
    assert (tmp_path / "log").read_text().count("error: the workers have different settings or inputs") == 2
