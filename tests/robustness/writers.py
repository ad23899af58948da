"""Every kind of file that the project writes, each by its own writer: `write(folder, size)`, size in bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels import label_chunks, labels
from superpoint_tf.data.shapes.generation import generate_synthetic_sets
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.evaluation.results import Evaluation
from superpoint_tf.export.files import staged
from superpoint_tf.features import Features
from superpoint_tf.features.feature_archive import FeatureArchive
from superpoint_tf.networks.weights import Weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.training.replicas import single_replica
from superpoint_tf.training.run_checkpoints import RunCheckpoints
from superpoint_tf.training.run_folder import RunFolder


def _noise(size: int) -> np.ndarray:
    """Return float32 numbers of `size` bytes that no compression makes smaller."""
    return np.random.default_rng(size).random(size // 4, np.float32)


def write_records(folder: Path, size: int) -> None:
    pictures = size // 3000
    settings = {"root": str(folder / "synthetic"), "num_train": pictures, "num_validation": 1, "num_test": 1}
    config = build_config({"workers": 0, "synthetic": {**settings, "draw": {"primitives": ["star"]}}})
    generate_synthetic_sets(config, overwrite=True)


def write_label(folder: Path, size: int) -> None:
    scores = _noise(size // 3)
    label = labels.Label(np.stack([scores, scores[::-1]], 1), scores, (120, 160), np.eye(3), "0" * 64)
    labels.save_label(str(folder / "round_1" / "a.jpg.npz"), label)


def write_label_chunk(folder: Path, size: int) -> None:
    label_chunks.write_chunk(str(folder / "round_1" / "000000.zip"), "", {"a.jpg": _noise(size).tobytes()}, [1], {})


def write_label_manifest(folder: Path, size: int) -> None:
    counts = tuple(range(size // 10))
    manifest = labels.LabelManifest("images", 1, (1,), {}, {}, {}, chunks=counts)
    labels.write_manifest(str(folder), manifest)


def write_weights(folder: Path, size: int) -> None:
    Weights(NetworkConfig(), {"encoder/kernel": _noise(size)}).save(folder / "weights.npz")


def write_checkpoint(folder: Path, size: int) -> None:
    state = SimpleNamespace(step=tf.Variable(0, dtype=tf.int64), replicas=single_replica())
    state.checkpoint = tf.train.Checkpoint(step=state.step, value=tf.Variable(_noise(size)))
    state.restore = lambda prefix: tf.train.load_checkpoint(prefix)
    checkpoints: Any = RunCheckpoints(state, RunFolder(folder))  # type: ignore[arg-type]
    checkpoints.restore()
    checkpoints.save(size)


def write_metrics(folder: Path, size: int) -> None:
    RunFolder(folder).append_metrics({"step": 1, "kind": "x" * size})


def write_log(folder: Path, size: int) -> None:
    console = Console(folder / "log.txt")
    try:
        console.line("train", "x" * size)
    finally:
        console.close()


def write_features(folder: Path, size: int) -> None:
    count = size // 48
    found = Features(np.zeros((count, 2), np.float32), np.ones(count, np.float32), _noise(count * 32).reshape(count, 8))
    with FeatureArchive(folder / "features.h5", {"weights": "a"}) as archive:
        archive.write(f"{size}.jpg", found, (48, 64), "hash")


def write_export(folder: Path, size: int) -> None:
    with staged(folder / "superpoint.onnx") as temporary:
        storage.write_bytes(temporary, _noise(size).tobytes())


def write_results(folder: Path, size: int) -> None:
    rows = [{"picture": f"{number:098d}"} for number in range(size // 100)]
    Evaluation("synthetic", {}, {}, {}, {}, {"pictures.csv": rows}).save(folder)


def write_figure(folder: Path, size: int) -> None:
    save_png(folder / "figures" / "a.png", _noise(size).view(np.uint8).reshape(-1, 100))


WRITERS: dict[str, Callable[[Path, int], None]] = {
    name.removeprefix("write_"): write for name, write in list(globals().items()) if name.startswith("write_")
}
