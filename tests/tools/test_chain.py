"""The three commands as a user types them: they chain, they are deterministic, and SIGKILL loses nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
import yaml

from superpoint_tf.data.labels.labels import read_manifest
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.synthetic import draw_sample

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
TRAINING = {"batch_size": 2, "log_every": 4, "validate_every": 10, "checkpoint_every": 3, "warmup_steps": 2}
TINY = {
    "name": "tiny",
    "workers": 1,
    "network": {"width": 0.0625, "descriptor_dim": 8},
    "synthetic": {"num_train": 30, "num_validation": 1, "num_test": 1},
    "photographs": {"root": "images", "image_shape": [40, 48]},
    "detector": {"steps": 20, **TRAINING},
    "adaptation": {"num_homographies": 3, "chunk_size": 2, "retrain_steps": 12, "num_figures": 1},
    "joint": {"steps": 24, **TRAINING},
    "evaluation": {"image_shape": [40, 48], "num_pairs": 2, "num_synthetic": 1},
}
COMMANDS = (
    ["generate_synthetic.py", "--config", "tiny.yaml"],
    ["homographic_adapt.py", "--iters", "2", "--config", "tiny.yaml"],
    ["train_superpoint.py", "tiny.yaml"],
)


def prepare(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    for number in range(8):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), draw_sample(7, number)[0])
    return folder


def start(folder: Path, command: list[str]) -> subprocess.Popen[bytes]:
    log = open(folder / "log", "ab")  # noqa: SIM115 (the process keeps it)
    tool = str(CHECKOUT / "tools" / command[0])
    return subprocess.Popen([sys.executable, tool, *command[1:]], cwd=folder, stdout=log, stderr=log)


def run_chain(folder: Path) -> Path:
    for command in COMMANDS:
        code = start(folder, command).wait()
        assert code == 0, (folder / "log").read_text()[-3000:]
    return folder


def results(folder: Path) -> dict[str, str]:
    """Checksums of everything that equal runs must agree on."""
    kept = (".tfrecord", ".npz", ".zip", "metrics.jsonl", "manifest.json", "summary.json")
    return {
        path.relative_to(folder).as_posix(): storage.sha256_file(path)
        for root in ("data", "labels", "outputs")
        for path in sorted((folder / root).rglob("*"))
        if path.name.endswith(kept)
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_chain(prepare(tmp_path_factory.mktemp("chain") / "undisturbed"))


def test_each_command_finds_what_the_one_before_left(undisturbed: Path):
    manifest = read_manifest(str(undisturbed / "labels/tiny"))
    assert manifest.final_round == 2 and manifest.counts["photographs"] == 6 and len(manifest.validation) == 2
    assert (undisturbed / "outputs/tiny-magicpoint/weights.npz").exists()  # the first detector was trained on the way
    assert "30 synthetic shapes from data/synthetic" in (undisturbed / "log").read_text()
    assert load_weights(undisturbed / "outputs/tiny").network.system == "superpoint"
    assert (undisturbed / "labels/tiny/figures/round_2.png").exists()


def test_a_second_run_is_identical(undisturbed: Path, tmp_path: Path):
    assert results(run_chain(prepare(tmp_path / "again"))) == results(undisturbed)


def test_commands_killed_at_random_moments_and_started_again_end_with_the_same_files(undisturbed: Path, tmp_path: Path):
    folder, moments = prepare(tmp_path / "killed"), random.Random(1)
    kills = 0
    for command in COMMANDS:
        for _ in range(4):
            process = start(folder, command)
            time.sleep(moments.uniform(3, 14))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait()
        assert start(folder, command).wait() == 0, (folder / "log").read_text()[-3000:]
    assert kills >= 4
    assert results(folder) == results(undisturbed)
    assert not list(folder.rglob(f"*{storage.TEMPORARY_SUFFIX}"))


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_signal_ends_training_with_the_shells_code(undisturbed: Path, tmp_path: Path, number: int, code: int):
    folder = prepare(tmp_path / "stopped")
    (folder / "labels").symlink_to(undisturbed / "labels")
    endless = [*COMMANDS[2], "--set", "joint.steps=100000"]
    process = start(folder, endless)
    deadline = time.monotonic() + 120
    while not list(folder.glob("outputs/tiny/checkpoints/latest-*.index")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.kill(process.pid, number)
    assert process.wait(60) == code
    assert "the same command goes on from there" in (folder / "log").read_text()
