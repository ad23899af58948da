"""On Ray itself: three nodes on 127.0.0.1, of which one is killed in the middle; skipped where Ray is not installed.

Ray comes with the extra `cluster`, which `make test` does not install.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # workers import this file too, for `square`
from ray_nodes import after, command, content, features, needs_ray, run, started

from superpoint_tf.cluster.ray_cluster import connect
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import WorkerDied
from superpoint_tf.synthetic import draw_sample

pytestmark = needs_ray


def start_squaring() -> Callable[[tuple[int, float]], tuple[int, int]]:
    return square


def square(item: tuple[int, float]) -> tuple[int, int]:
    number, seconds = item
    time.sleep(seconds)
    if number < 0:
        raise ValueError(f"{number} is below zero")
    return number * number, os.getpid()


def start_dying() -> Callable[[int], None]:
    return os._exit


def test_a_node_dies_and_one_joins_and_every_result_is_there_in_order_errors_too(monkeypatch: pytest.MonkeyPatch):
    with started(3) as nodes:
        cluster = connect(nodes.cluster.address, Console())
        assert cluster.capacity == 3
        stop, pids, results = StopRequest(), set(), []
        items = [(number, 0.4) for number in range(24)]
        for result, pid in cluster.map(start_squaring, items, 4, stop, "stopped"):
            results.append(result)
            pids.add(pid)
            if len(results) == 3:
                nodes.kill(random.Random(0).randrange(2))
                nodes.join()
        assert results == [number**2 for number in range(24)] and len(pids) > 1
        with pytest.raises(ValueError, match="-1 is below zero"):
            list(cluster.map(start_squaring, [(-1, 0.0)], 1, stop, "stopped"))
        with pytest.raises(WorkerDied, match="5: 4 workers died at it"):
            list(cluster.map(start_dying, [5], 1, stop, "stopped"))


def test_an_address_where_nothing_is_is_refused_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ValueError, match=r"no Ray cluster answers at 127\.0\.0\.1:"):
            connect(f"127.0.0.1:{taken.getsockname()[1]}", Console())


# ------------------------------------------------------------------------------------------------ the tools, long

PHOTOGRAPHS = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with photographs, one of which is none."""
    for number in range(PHOTOGRAPHS + 1):
        path = tmp_path / "images" / ("train" if number < PHOTOGRAPHS else "held_out") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_sample(0, number)[0])
    (tmp_path / "images/train/05.png").write_bytes(b"no picture")
    (tmp_path / "tiny.yaml").write_text(
        "name: tiny\nnetwork: {width: 0.5}\n"
        "photographs: {root: images, train: train, validation: held_out, image_shape: [120, 160]}\n"
        "adaptation: {num_homographies: 30, num_figures: 1, labels_per_file: 1}\n"
    )
    return tmp_path


LABEL = command("homographic_adapt.py", "tiny.yaml", "--iters", "1", "--detector", "magicpoint-small")
EXTRACT = command("extract.py", "images/train")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_node_killed_while_photographs_are_labelled_changes_no_byte(folder: Path, seed: int):
    assert run([*LABEL, "--output", "here"], folder)[0] == 0
    with started(3) as nodes:
        on_ray = [*LABEL, "--output", "there", "--ray", nodes.cluster.address]
        draw = random.Random(seed)
        victim, moment = draw.randrange(2), draw.randrange(2, 10)
        code, said = run(on_ray, folder, after(folder / "there", "*.npz", moment, lambda: nodes.kill(victim)))
        assert code == 0, said
        assert content(folder / "here") == content(folder / "there")
        assert said.count("warn") == 1 and "05.png: not a picture" in said and "raylet" not in said
        before = {path: path.stat().st_mtime_ns for path in (folder / "there").rglob("*.npz")}
        assert run(on_ray, folder)[0] == 0
        assert before == {path: path.stat().st_mtime_ns for path in (folder / "there").rglob("*.npz")}


@pytest.mark.slow
def test_labelling_on_ray_stopped_by_sigterm_leaves_nothing_half_written_and_goes_on(folder: Path):
    assert run([*LABEL, "--output", "here"], folder)[0] == 0
    with started(2) as nodes:
        on_ray = [*LABEL, "--output", "there", "--ray", nodes.cluster.address]
        process = subprocess.Popen(on_ray, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        after(folder / "there", "*.npz", 3, lambda: process.send_signal(signal.SIGTERM))()
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 143 and "there: stopped in round 1; start the same command again" in said, said
        assert 3 <= len(list((folder / "there").rglob("*.npz"))) < PHOTOGRAPHS - 1
        assert run(on_ray, folder)[0] == 0
        assert content(folder / "here") == content(folder / "there")


@pytest.mark.slow
def test_a_node_killed_while_features_are_extracted_changes_no_byte(folder: Path):
    photographs = folder / "images/train"
    for number in range(60):  # so that there is a middle
        shutil.copy(photographs / f"{number % 20:02d}.png", photographs / f"more{number:02d}.png")
    assert run([*EXTRACT, "--output", "here.h5"], folder)[0] == 0
    with started(3) as nodes:
        on_ray = [*EXTRACT, "--output", "there.h5", "--ray", nodes.cluster.address]
        kill = after(folder / "there.h5.parts", "*.part", 1, lambda: nodes.kill(random.Random(0).randrange(2)))
        code, said = run(on_ray, folder, kill)
        assert code == 0, said
        assert features(folder / "here.h5") == features(folder / "there.h5")
        assert f"{PHOTOGRAPHS + 60 - 1 - 3} extracted" in said  # all but 05.png and its copies
        assert "4 left out" in said and "raylet" not in said
        assert "0 extracted" in run(on_ray, folder)[1]


@pytest.mark.slow
def test_shapes_drawn_on_ray_while_a_node_is_killed_are_those_of_one_process(folder: Path):
    size = ["--num", "6000", "--set", "synthetic.num_validation=100", "synthetic.num_test=100"]
    generate = command("generate_synthetic.py", *size)
    assert run([*generate, "--output", "here"], folder)[0] == 0
    with started(3) as nodes:
        on_ray = [*generate, "--output", "there", "--ray", nodes.cluster.address]
        kill = after(folder / "there", "*.tfrecord.json", 1, lambda: nodes.kill(random.Random(0).randrange(2)))
        code, said = run(on_ray, folder, kill)
        assert code == 0, said
        assert content(folder / "here") == content(folder / "there")
