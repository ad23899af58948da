"""Training and evaluation on Ray itself, whose nodes are killed in the middle; skipped where Ray is not installed."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from ray_nodes import after, command, content, features, needs_ray, run, started

from superpoint_tf.synthetic import draw_sample

pytestmark = needs_ray

CONFIG = """
name: tiny
train: detector
workers: 0
network: {width: 0.0625, descriptor_dim: 8}
synthetic: {source: generator, num_validation: 8, num_test: 8, draw: {image_shape: [40, 48]}}
detector:
  {steps: 30, batch_size: 4, warmup_steps: 2, schedule: constant, log_every: 10, validate_every: 15,
   checkpoint_every: 3, num_figures: 0}
"""
TRAIN = command("train.py", "tiny.yaml")
WORKER = "train.py tiny.yaml --output"  # of a process that trains; the command's own names --ray first


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return tmp_path


def on_ray(address: str, output: str, workers: int = 2) -> list[str]:
    return [*TRAIN, "--ray", address, "--workers", str(workers), "--output", output]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what two processes with a TF_CONFIG each train, of one thread as a worker of one core has."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.yaml").write_text(CONFIG)
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
    variables = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    processes = []
    for index in (0, 1):
        variables["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        )
        processes.append(subprocess.Popen([*TRAIN, "--output", "here"], cwd=folder, env=variables))
    assert [process.wait(timeout=500) for process in processes] == [0, 0]
    return results(folder / "here")


def results(run_folder: Path) -> dict[str, bytes]:
    return {name: (run_folder / name).read_bytes() for name in ("weights.npz", "metrics.jsonl", "summary.json")}


def written(run_folder: Path) -> list[int]:
    return [int(path.stem.partition("-")[2]) for path in run_folder.glob("checkpoints/*.index")]


def at_step(run_folder: Path, step: int, action: Callable[[], None]) -> Callable[[], None]:
    """Return what waits for a checkpoint of this step or a later one, and then acts."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 400
        while max(written(run_folder), default=0) < step and time.monotonic() < deadline:
            time.sleep(0.02)
        action()

    return wait_and_act


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_node_killed_in_the_middle_of_training_changes_no_byte(
    folder: Path, undisturbed: dict[str, bytes], seed: int
):
    """On the two nodes that are left it goes on; with the head alone it waits until another joins."""
    with started(3) as nodes:
        draw = random.Random(seed)
        step, left = draw.randrange(3, 20), 1 - seed

        def kill() -> None:
            victims = nodes.working(WORKER)
            assert victims
            victim = draw.choice(victims)
            nodes.kill(victim)
            if not left:
                nodes.kill(0)
                waiting = "waiting for room for 2 workers of a core each: 1 machine with room for 1 in all"
                after_words(folder / "said.txt", waiting)
                nodes.join()

        with open(folder / "said.txt", "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                on_ray(nodes.cluster.address, "there"), cwd=folder, stdout=file, stderr=subprocess.STDOUT
            )
            at_step(folder / "there", step, kill)()  # here: a node can join in the main thread alone
            code = process.wait(timeout=500)
        said = (folder / "said.txt").read_text(encoding="utf-8")
        assert code == 0, said
        assert results(folder / "there") == undisturbed
        assert said.count("of 2 is lost (Actor") == 1 and "loss 1 of 3 in a row" in said and "raylet" not in said
        assert "continues at step" in said and " next | " in said
        code, said = run(on_ray(nodes.cluster.address, "there"), folder)
        assert code == 0 and "finished before, 30 steps" in said


def after_words(path: Path, words: str) -> None:
    deadline = time.monotonic() + 300
    while words not in path.read_text(encoding="utf-8") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert words in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_training_on_ray_waits_for_room_stops_by_sigterm_and_goes_on(folder: Path, undisturbed: dict[str, bytes]):
    with started(1) as nodes, open(folder / "said.txt", "w", encoding="utf-8") as said:
        ask = on_ray(nodes.cluster.address, "there")
        process = subprocess.Popen(ask, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        after_words(folder / "said.txt", "waiting for room for 2 workers")
        nodes.join()
        at_step(folder / "there", 3, lambda: process.send_signal(signal.SIGTERM))()
        assert process.wait(timeout=120) == 143
        words = (folder / "said.txt").read_text(encoding="utf-8")
        assert "there: stopped after step" in words and "start the same command again to go on" in words
        assert 0 < max(written(folder / "there")) < 30
        code, words = run(ask, folder)
        assert code == 0 and "continues at step" in words, words
        assert results(folder / "there") == undisturbed


@pytest.mark.slow
def test_what_the_workers_refuse_ends_the_command_with_their_words_and_code(folder: Path):
    (folder / "there").mkdir()
    (folder / "there" / "thesis.txt").write_text("years of work")
    with started(2) as nodes:
        code, said = run(on_ray(nodes.cluster.address, "there"), folder)
        assert code == 2 and "there: not empty and not a run folder" in said and "start again" not in said
        with open(folder / "said.txt", "w", encoding="utf-8") as file:
            killed = subprocess.Popen(on_ray(nodes.cluster.address, "other"), cwd=folder, stdout=file)
            at_step(folder / "other", 3, killed.kill)()
        deadline = time.monotonic() + 60
        while nodes.working(WORKER) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not nodes.working(WORKER)  # none goes on without the command


def test_what_cannot_be_is_refused_before_a_worker_starts(folder: Path):
    def refused(*arguments: str) -> str:
        done = subprocess.run(
            [*TRAIN, *arguments], cwd=folder, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 2 and "workers of a core" not in done.stdout, done.stdout
        return done.stderr

    assert "batch_size: 4 does not divide into 3 replicas" in refused("--ray", "--workers", "3")
    assert "labels" in refused("--set", "train=joint", "--ray", "--workers", "2")
    assert not (folder / "outputs").exists()


@pytest.mark.slow
def test_a_node_killed_while_evaluate_extracts_changes_no_number(folder: Path):
    for number in range(16):
        (folder / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"images/{number:02d}.png"), draw_sample(0, number)[0])
    evaluate = command("evaluate.py", "random-homography", "--data", "images", "--num", "60")
    evaluate += ["--methods", "superpoint-small", "ORB", "--presets", "240x320"]
    assert run([*evaluate, "--output", "here"], folder)[0] == 0
    with started(3) as nodes:
        ask = [*evaluate, "--output", "there", "--ray", nodes.cluster.address]
        kill = after(folder / "there", "*.h5.parts/*.part", 1, lambda: nodes.kill(random.Random(0).randrange(2)))
        code, said = run(ask, folder, kill)
        assert code == 0, said
        for path in (folder / "here/features").glob("*.h5"):
            assert features(path) == features(folder / "there/features" / path.name)
        for name in ("pairs.csv", "table.md"):
            assert content(folder / "here")[name] == content(folder / "there")[name]
        code, said = run(ask, folder)
        assert code == 0 and "extractions: 0 computed" in said
