"""Long runs hold no more memory and no more open files at their end than after they have warmed up."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.adaptation import labeller
from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.rounds import adapt
from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.drawing.figures import plot_curves
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.runtime.progress import Console
from superpoint_tf.synthetic import draw_sample
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task
from superpoint_tf.training.trainer import train
from superpoint_tf.training.validation import ShapesValidator

STEPS, IMAGES = 2000, 300
WARM = 0.25  # of a run: compiling, caches of the allocator
MEGABYTES = 6.0  # that memory may grow by over the rest; 3.5 was seen, and a leak of 5 KB a step alone is 7.5
FILES = 1


def own_megabytes() -> float:
    """Return what this process holds without pages of files, which come and go, and without what is free again."""
    gc.collect()  # a validation's compiled functions point at themselves
    ctypes.CDLL(None).malloc_trim(0)
    found = re.findall(r"(?:RssAnon|VmSwap):\s*(\d+) kB", Path("/proc/self/status").read_text())
    return sum(map(int, found)) * 1024 / 1e6


class Meter:
    """Memory and open files of this process, read at every `every`-th call."""

    def __init__(self, every: int) -> None:
        self.calls, self._every = 0, every
        self.at: list[int] = []
        self.megabytes: list[float] = []
        self.files: list[int] = []

    def count(self) -> None:
        self.calls += 1
        if self.calls % self._every == 0:
            self.at.append(self.calls)
            self.megabytes.append(own_megabytes())
            self.files.append(len(os.listdir("/proc/self/fd")))

    def growth(self, values: list[float] | list[int]) -> float:
        """Return by how much a straight line through the values after warming up rises until the end."""
        first = int(WARM * len(values))
        slope = np.polyfit(self.at[first:], values[first:], 1)[0]
        return float(slope * (self.at[-1] - self.at[first]))

    def plot(self, path: Path, title: str, what: str) -> None:
        first = self.megabytes[0]
        more = [megabytes - first for megabytes in self.megabytes]
        curves = {f"memory in MB above {first:.0f}": (self.at, more), "open files": (self.at, self.files)}
        save_png(path, plot_curves(curves, title, what, "MB, files"))

    def check(self) -> None:
        print(f"\nmemory {self.megabytes[0]:.0f} .. {self.megabytes[-1]:.0f} MB", end=", ")
        print(f"growth {self.growth(self.megabytes):+.1f} MB and {self.growth(self.files):+.1f} files")
        assert self.growth(self.megabytes) < MEGABYTES
        assert self.growth(self.files) < FILES


def counted(meter: Meter, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        meter.count()
        return function(*arguments, **named)

    return wrapped


def tiny_config() -> Config:
    return build_config(
        {
            "name": "long",
            "train": "detector",
            "workers": 0,
            "network": {"width": 0.0625, "descriptor_dim": 8},
            "photographs": {"image_shape": [40, 48]},
            "synthetic": {"source": "generator", "draw": {"image_shape": [40, 48]}},
            "detector": {
                "steps": STEPS,
                "batch_size": 2,
                "log_every": 50,
                "validate_every": 400,
                "checkpoint_every": 100,
                "num_figures": 1,
            },
            "adaptation": {"num_homographies": 3, "chunk_size": 3, "num_figures": 1},
            "evaluation": {"image_shape": [40, 48], "num_synthetic": 1},
        }
    )


@pytest.mark.parametrize("leak", [0, 5000])
def test_a_leak_of_five_kilobytes_a_step_would_be_seen(leak: int):
    meter, kept = Meter(100), []
    for step in range(STEPS):
        if leak and step % 100 == 0:  # straight from the system: small blocks would fill holes that earlier tests left
            kept.append(mmap.mmap(-1, 100 * leak, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
            kept[-1].write(bytes(100 * leak))
        meter.count()
    with pytest.raises(AssertionError) if leak else contextlib.nullcontext():
        meter.check()


@pytest.mark.slow
def test_memory_and_files_stay_flat_over_thousands_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    meter, config = Meter(40), tiny_config()
    monkeypatch.setattr(TrainingState, "train_step", counted(meter, TrainingState.train_step))
    train(make_task(config, GeneratedShapes(config), ShapesValidator(config)), tmp_path / "run")
    meter.plot(tmp_path / "training.png", "training", "step")
    meter.check()
    kept = sorted(path.name for path in (tmp_path / "run/checkpoints").glob("*.index"))
    assert kept == [f"latest-{STEPS - 100}.index", f"latest-{STEPS}.index"]


@pytest.mark.slow
def test_memory_and_files_stay_flat_over_hundreds_of_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    meter, config = Meter(5), tiny_config()
    names = tuple(f"{number:03d}.png" for number in range(IMAGES))
    (tmp_path / "images").mkdir()
    for number, name in enumerate(names):
        cv2.imwrite(str(tmp_path / "images" / name), draw_sample(7, number % 20)[0])
    tf.keras.utils.set_random_seed(5)
    settings = config.network.with_system("magicpoint")
    network = build_network(settings)
    get_weights(network, settings).save(tmp_path / "weights.npz")
    photographs = PhotographSet(str(tmp_path / "images"), names, (), "")
    monkeypatch.setattr(labeller, "encode_label", counted(meter, labeller.encode_label))
    run = AdaptationRun(config, photographs, str(tmp_path / "weights.npz"), str(tmp_path / "labels"), 1)
    adapt(run, Console())
    assert meter.calls == IMAGES
    meter.plot(tmp_path / "adaptation.png", "adaptation", "photograph")
    meter.check()
