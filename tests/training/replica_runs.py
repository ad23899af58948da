"""What the tests of replicas run in processes of their own: `replica_runs.py WHAT STRATEGY OUTPUT [key=value ...]`."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from superpoint_tf import command_line

command_line.set_up_tensorflow()
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.training.replicas import Replicas, build_replicas, single_replica
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task

BATCH, ROWS, COLUMNS, STEPS = 4, 5, 6, 20


def make_config(train: str, settings: dict[str, Any]) -> Config:
    batch_norm = settings.pop("network.batch_norm", True)
    intervals = {"log_every": 2, "validate_every": 6, "checkpoint_every": 3, "num_figures": 0}
    training = {"steps": STEPS, "batch_size": BATCH, "warmup_steps": 2, "schedule": "constant", **intervals, **settings}
    return build_config(
        {
            "name": "tiny",
            "train": train,
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": batch_norm, "descriptor_dim": 8},
            "synthetic": {"source": "generator", "draw": {"image_shape": [8 * ROWS, 8 * COLUMNS]}},
            train: training,
        }
    )


def with_few_valid_cells(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Leave of the second half of every batch of BATCH one row of valid cells, under a quarter of them."""
    second_half = batch["numbers"][:, None, None] % BATCH >= BATCH // 2
    first_row = tf.range(ROWS)[None, :, None] == 0
    masks = {name: valid & (first_row | ~second_half) for name, valid in batch.items() if "cells_valid" in name}
    return {**batch, **masks}


def random_pairs(step: int) -> dict[str, tf.Tensor]:
    """Noise and random labels: quicker to make than photographs."""
    random = np.random.default_rng(step)
    batch: dict[str, np.ndarray] = {
        "numbers": np.arange(step * BATCH, (step + 1) * BATCH),
        "homography_0to1": np.stack([np.eye(3, dtype=np.float32)] * BATCH),
        "shift_seeds": random.integers(0, 2**31, (BATCH, 2)),
    }
    points = random.uniform(0, 8 * ROWS, (BATCH, 9, 2)).astype(np.float32)
    points[0, 2:] = np.nan  # the replicas have different numbers of them
    batch |= {"points0": points, "points1": points}
    for view in (0, 1):
        batch[f"images{view}"] = random.random((BATCH, 8 * ROWS, 8 * COLUMNS, 1), np.float32)
        batch[f"cell_labels{view}"] = random.integers(0, 65, (BATCH, ROWS, COLUMNS)).astype(np.int32)
        batch[f"cells_valid{view}"] = np.ones((BATCH, ROWS, COLUMNS), bool)
    return {name: tf.constant(value) for name, value in batch.items()}


def run_steps(state: TrainingState, batches: Iterator[dict[str, tf.Tensor]], output: Path) -> None:
    """Train; write the losses of each step, and the weights."""
    losses = []
    for _ in range(state.settings.steps):
        state.train_step(with_few_valid_cells(next(batches)))
        losses.append(state.log.take_means())
    state.check_finite(range(BATCH))
    worker = state.replicas.worker
    output.with_suffix(f".{worker}.json").write_text(json.dumps(losses))
    state.weights().save(output.with_suffix(f".{worker}.npz"))
    state.replicas.add(0.0)  # nobody leaves before the others are done


def run_pairs(replicas: Replicas, output: Path, settings: dict[str, Any]) -> None:
    """Train the joint model on random pairs."""
    config = make_config("joint", settings)
    task: Any = make_task(config, GeneratedShapes(config), None)  # type: ignore[arg-type]
    run_steps(TrainingState(task, replicas), (random_pairs(step) for step in itertools.count()), output)


def run_shapes(replicas: Replicas, output: Path, settings: dict[str, Any]) -> None:
    """Train the detector on shapes, each worker on those that it renders itself."""
    config = make_config("detector", settings)
    task: Any = make_task(config, GeneratedShapes(config), None)  # type: ignore[arg-type]
    share = (replicas.worker, replicas.workers)
    with BatchStream(task.source, task.kind, BATCH, task.source.key, task.views, 0, share) as stream:
        run_steps(TrainingState(task, replicas), stream.batches(), output)


class CheapValidator:
    """A validation that costs nothing."""

    key = "value"

    def validate(self, model: tf.keras.Model) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        return {"value": float(np.abs(model.weights[0].numpy()).sum())}, {}


def run_training(replicas: Replicas, output: Path, settings: dict[str, Any]) -> None:
    """Train a detector on shapes, as the tool does."""
    from superpoint_tf.training.trainer import train

    config = make_config("detector", settings)
    train(make_task(config, GeneratedShapes(config), CheapValidator()), output, replicas=replicas)


def main() -> None:
    what, strategy, output, *settings = sys.argv[1:]
    if strategy == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    replicas = single_replica() if strategy == "single" else build_replicas(strategy)
    parsed = {key: json.loads(value) for key, value in (item.split("=") for item in settings)}
    {"pairs": run_pairs, "shapes": run_shapes, "training": run_training}[what](replicas, Path(output), parsed)


if __name__ == "__main__":
    command_line.run_tool(main)
