"""Training maps of features: from photographs to weights that extract, match, are validated and used again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config, load_config
from superpoint_tf.models import SuperPoint
from superpoint_tf.networks.weights import WeightsError, load_weights
from superpoint_tf.training.build import build_task
from superpoint_tf.training.objectives.dense_objective import DenseObjective
from superpoint_tf.training.trainer import train

ZOO = Path(__file__).resolve().parents[2] / "configs" / "zoo"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name in ("train/a.png", "train/b.png", "held/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name), cv2.GaussianBlur(random.integers(0, 256, (64, 64), np.uint8), (3, 3), 0))
    return folder


def config(photographs: Path | str = "", system: str = "d2net-small", **dense: Any) -> Config:
    settings = {"batch_size": 2, "points_per_pair": 128, "min_points": 4, "steps": 2, "warmup_steps": 0}
    intervals = {"log_every": 1, "validate_every": 2, "checkpoint_every": 1}
    section = {"root": str(photographs), "train": "train", "validation": "held", "image_shape": [64, 64]}
    return build_config(
        {
            "train": "dense",
            "workers": 0,
            "network": {"system": system},
            "photographs": {**section, "homography": {"max_angle_deg": 10.0}},
            "dense": {**settings, **intervals, **dense},
            "evaluation": {"num_pairs": 1, "image_shape": [64, 64]},
        }
    )


@pytest.mark.parametrize("system", ["d2net-small", "aslfeat-plain"])
def test_a_run_writes_weights_that_find_describe_and_match(photographs: Path, tmp_path: Path, system: str) -> None:
    weights = train(build_task(config(photographs, system)), tmp_path / "run")
    assert load_weights(weights).network.system == system
    model = SuperPoint.from_pretrained(weights)
    image = cv2.imread(str(photographs / "held/c.png"), cv2.IMREAD_GRAYSCALE)
    found = model.extract(image, subpixel=True)
    assert found.descriptors is not None and len(found.descriptors) == len(found.keypoints) > 0
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1.0, rtol=1e-4)
    pairs = model.match(found, found)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    smaller = model.extract(image[:, :41], scales=(0.5, 1.0, 2.0))
    assert np.isfinite(smaller.keypoints).all() and (smaller.keypoints < [41, 64]).all()


def test_a_stopped_run_goes_on_to_the_same_weights(photographs: Path, tmp_path: Path) -> None:
    whole = train(build_task(config(photographs, steps=2)), tmp_path / "whole")
    train(build_task(config(photographs, steps=1)), tmp_path / "parts")
    parts = train(build_task(config(photographs, steps=2)), tmp_path / "parts")
    assert load_weights(whole).step == load_weights(parts).step


def test_no_point_in_both_views_is_said(photographs: Path) -> None:
    objective = DenseObjective(config(photographs))
    nowhere = tf.fill((2, 128, 2), float("nan"))
    assert "no pair of this batch has points in both views" in objective.warning(
        {"desc": 0.0}, {"points0": nowhere, "points1": nowhere}
    )


def test_a_loss_at_its_margin_is_said_with_the_remedy(photographs: Path) -> None:
    points = tf.zeros((2, 128, 2))
    said = DenseObjective(config(photographs)).warning({"desc": 1.0}, {"points0": points, "points1": points})
    assert "sits at 1.0000" in said and "dense.loss=softmax" in said


def test_weights_that_do_not_fit_at_all_are_refused_as_a_beginning(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="none of which fits aslfeat-plain"):
        train(build_task(config(photographs, "aslfeat-plain", init="superpoint")), tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": "circle"}, "circle does not train d2net-small; use d2, softmax"),
        ({"min_points": 129}, "129 is above `dense.points_per_pair`: 128"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(**changes)


def test_the_layers_of_a_system_of_maps_are_fixed() -> None:
    with pytest.raises(ConfigError, match=r"`network\.width`: the layers of aslfeat are fixed"):
        build_config({"train": "dense", "network": {"system": "aslfeat", "width": 0.5}})


@pytest.mark.parametrize("name", ["d2net", "d2net-laptop", "aslfeat", "aslfeat-laptop"])
def test_the_recipes_train_maps(name: str) -> None:
    assert load_config(ZOO / f"{name}.yaml").train == "dense"


def test_views_of_finer_pictures_have_the_frame_s_shape_and_no_black_where_they_are_known(photographs: Path) -> None:
    settings = config(photographs)
    finer = dataclasses.replace(settings.photographs, source_scale=2.0)
    task = build_task(dataclasses.replace(settings, photographs=finer))
    rendered = task.source.render(task.source.payloads([0, 1]))
    batch = task.kind.assemble({name: tf.constant(value) for name, value in rendered.items()}, 0, task.views)
    assert batch["images0"].shape == (2, 64, 64, 1) and batch["mask0"].shape == (2, 64, 64)
    assert float(tf.reduce_min(tf.boolean_mask(batch["images0"][..., 0], batch["mask0"]))) > 0.0
