"""The quick config's rates: a fine-tuning begins as what it begins with, and its first steps make it no worse."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.rounds import adapt
from superpoint_tf.command_line import load_config_argument
from superpoint_tf.config import Config
from superpoint_tf.finetuning.finetune import FinetuneFolder, prepare_config
from superpoint_tf.finetuning.split import Split, split_photographs
from superpoint_tf.networks.weights import load_network, load_weights
from superpoint_tf.runtime.progress import QUICKSTART, Console
from superpoint_tf.training.builders.detector_tasks import build_joint_task
from superpoint_tf.training.trainer import train
from superpoint_tf.training.validation import PairsValidator

SHIPPED = "superpoint-small"
SMALLER = [
    *("photographs.image_shape=[120, 160]", "evaluation.image_shape=[120, 160]", "evaluation.num_pairs=60"),
    *("adaptation.num_homographies=2", "adaptation.num_figures=0", "workers=0"),
    *("joint.steps=40", "joint.batch_size=2", "joint.validate_every=40", "joint.num_figures=0"),
]


def quick(folder: FinetuneFolder, *changes: str) -> tuple[Config, Split]:
    config = load_config_argument(QUICKSTART, [*SMALLER, *changes])
    split = split_photographs(config.photographs, "bundled")
    return prepare_config(config, split, SHIPPED, folder), split


def test_the_quick_config_names_the_shipped_weights_and_their_network():
    config = load_config_argument(QUICKSTART, [])
    assert config.joint.init == SHIPPED and config.network == load_weights(SHIPPED).network
    assert 0 < config.joint.warmup_steps <= config.joint.steps // 2


def test_validation_begins_with_that_of_the_shipped_weights_and_does_not_fall_below_it(tmp_path: Path):
    folder = FinetuneFolder(tmp_path / "fine")
    config, split = quick(folder)
    adapt(AdaptationRun(config, split.photographs, SHIPPED, folder.labels, 1), Console())
    train(build_joint_task(config), folder.run)
    lines = [json.loads(line) for line in (folder.run / "metrics.jsonl").read_text().splitlines()]
    first, last = (next(line for line in lines if line["step"] == step and "loc_px" in line) for step in (0, 40))
    validator = PairsValidator(config, split.photographs.root, split.photographs.validation)
    shipped, _ = validator.validate(load_network(SHIPPED)[0])
    assert {name: first[name] for name in shipped} == pytest.approx(shipped, abs=1e-6)
    assert last["matching_score"] > first["matching_score"] - 0.01
    assert last["repeatability"] > first["repeatability"] - 0.01
    assert dataclasses.asdict(load_weights(folder.run).network) == dataclasses.asdict(load_weights(SHIPPED).network)
