"""A run of the convex descriptor: its folder, its weights, and a stop and a start that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config, load_config
from superpoint_tf.networks.weights import load_network
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import Interrupted
from superpoint_tf.systems import SYSTEMS, VECTORS
from superpoint_tf.training.build import build_task
from superpoint_tf.training.convex import convex_run
from superpoint_tf.training.convex.convex_run import train_convex_run
from superpoint_tf.training.convex.descent import Descent
from superpoint_tf.training.tasks import Task

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "zoo" / "convex.yaml"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of blobs, in which differences of Gaussians are found."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for part, count in (("train", 4), ("validation", 2)):
        (folder / part).mkdir()
        for number in range(count):
            image = cv2.GaussianBlur(random.integers(0, 256, (128, 160), np.uint8), (0, 0), 2.5)
            image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
            cv2.imwrite(str(folder / part / f"{number}.png"), image)
    return folder


def config(photographs: Path, **patches: Any) -> Config:
    sizes = {"batch_size": 64, "points_per_picture": 16, "support": 2.0, "steps": 6}
    intervals = {"validate_every": 3, "checkpoint_every": 2, "num_figures": 1}
    rings = {"radii": 3, "angles": 2, "deviations": 2, "ring_steps": 8, "ring_l1": 0.0, "trace": 0.0}
    convex = {"batches": 3, "held_out": 2, "pairs": 32, **rings}
    return build_config(
        {
            "train": "patches",
            "workers": 0,
            "network": {"system": "convex"},
            "photographs": {
                **{"root": str(photographs), "train": "train", "validation": "validation"},
                **{"image_shape": [128, 160], "homography": {"max_angle_deg": 10.0}},
            },
            "patches": {"labels": "dog", **sizes, **intervals, **patches, "convex": convex},
        }
    )


@pytest.fixture(scope="module")
def task(photographs: Path) -> Iterator[Task]:
    """A task whose patches are cut once for all runs: a cut of the same task is the same, and its graph takes long."""
    task = build_task(config(photographs))
    batches = convex_run._cut(task)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(convex_run, "_cut", lambda _: batches)
        yield task


@pytest.fixture(scope="module")
def run(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train_convex_run(task, folder) == folder / "weights.npz"
    return folder


def test_regions_are_solved_for_in_the_convex_systems_alone_and_the_shipped_config_names_one() -> None:
    solved = {name for name, row in SYSTEMS.items() if row.solved}
    assert solved == {name for name in SYSTEMS if name.startswith("convex")}
    assert load_config(CONFIG).network.system in solved


def test_the_trainer_of_the_others_refuses_it(task: Task) -> None:
    with pytest.raises(ConfigError, match="convex is not trained by gradients: solve for it by `train_convex_run`"):
        task.objective.loss_terms(None, {})  # type: ignore[arg-type]


def test_a_run_leaves_weights_metrics_and_a_summary(run: Path) -> None:
    network, weights = load_network(run, gives=VECTORS)
    vectors = network(np.random.default_rng(0).random((2, 64, 64, 1), np.float32))["vector"].numpy()
    assert vectors.shape == (2, 80) and weights.step == 6 and np.abs(vectors[0] - vectors[1]).max() > 0
    sums = weights.arrays["regions/pooling"].sum(axis=1)
    assert set(np.round(sums, 4)) <= {0.0, 1.0} and sums.any()
    lines = [storage.json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(line["kind"], line["step"]) for line in lines] == [
        *(("rings", step) for step in (3, 6, 8)),
        *(("projection", step) for step in (11, 14)),
        ("validation", 14),
    ]
    summary = storage.read_json(run / "summary.json")
    assert summary["steps"] == 6 and summary["best_rings_step"] in (3, 6, 8)


@pytest.mark.parametrize("stopped_after", [4, 12], ids=["among the rings", "in the projection"])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    task: Task, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_after: int
) -> None:
    steps: list[int] = []

    class Stopping(convex_run.StopRequest):
        @property
        def requested(self) -> bool:
            if len(steps) == stopped_after:
                self.request()
            return super().requested

    advance = Descent.advance
    monkeypatch.setattr(Descent, "advance", lambda self, *given: (steps.append(1), advance(self, *given)))
    with monkeypatch.context() as patched:
        patched.setattr(convex_run, "StopRequest", Stopping)
        with pytest.raises(Interrupted, match="stopped after step 4 of"):
            train_convex_run(task, tmp_path)
    train_convex_run(task, tmp_path)
    assert len(steps) == 14  # none was made twice
    for name in ("weights.npz", "metrics.jsonl", "summary.json"):
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes(), name
    train_convex_run(task, tmp_path)  # it has ended: nothing is done
    assert len(steps) == 14
