"""LIFT's stages and LF-Net: what each term trains, what stays as it is, and batches with nothing to learn from."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError, NetworkConfig
from superpoint_tf.config.config_files import build_config, load_config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.photographs.detected_photographs import DetectedPhotographs
from superpoint_tf.data.photographs.photograph_pairs import PhotographPairs
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.training.build import build_task
from superpoint_tf.training.freezing import train_only
from superpoint_tf.training.lift_validation import LiftValidator
from superpoint_tf.training.objectives.objectives import OBJECTIVES
from superpoint_tf.training.state import TrainingState

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "zoo"
FRAME = [96, 128]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures of blobs."""
    folder, random = tmp_path_factory.mktemp("blobs"), np.random.default_rng(0)
    for name in ("a", "b", "c", "d"):
        image = np.full((96, 128), 110, np.uint8)
        for _ in range(40):
            x, y, radius, grey = (int(n) for n in random.integers((0, 0, 2, 0), (128, 96, 7, 256)))
            cv2.circle(image, (x, y), radius, grey, -1)
        cv2.imwrite(str(folder / f"{name}.png"), cv2.GaussianBlur(image, (0, 0), 1.0))
    return folder


def config(system: str, folder: Path, **section: Any) -> Config:
    sizes: dict[str, Any] = {"steps": 2, "warmup_steps": 0, "log_every": 1}
    sizes |= {"lift": {"batch_size": 8, "points_per_picture": 4, "mining_ratio": 1, "max_keypoints": 60}}.get(
        system, {"batch_size": 2, "num_keypoints": 12, "radius_px": 8.0}
    )
    photographs = {"root": str(folder), "image_shape": FRAME, "homography": {"max_angle_deg": 20.0}}
    return build_config(
        {
            "train": system,
            "workers": 0,
            "network": {"system": system},
            "photographs": photographs,
            system: {**sizes, **section},
        }
    )


@cache
def network_of(system: str) -> Any:
    return build_network(NetworkConfig(system=system), seed=1)


def batch_of(settings: Config, folder: Path, numbers: tuple[int, ...] = (0, 1)) -> dict[str, tf.Tensor]:
    sources = {"lift": DetectedPhotographs, "lfnet": PhotographPairs}
    source = sources[settings.train](settings, str(folder), ("a.png", "b.png", "c.png"), 0)
    kind, batch = BATCHES[settings.train], source.render(source.payloads(numbers))
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    return kind.assemble(tensors, 0, kind.settings(settings, settings.photographs))


def slopes(settings: Config, batch: dict[str, tf.Tensor], *names: str) -> tuple[float, dict[str, float]]:
    """Return the sum of terms, and the largest slope in each part's weights."""
    network, objective = network_of(settings.network.system), OBJECTIVES[settings.train](settings)
    variables = named_variables(network, only_trainable=True)
    with tf.GradientTape() as tape:
        terms = objective.loss_terms(network, batch)
        total = tf.add_n([terms[name].sum for name in names or objective.term_names])
    parts: dict[str, float] = {}
    for name, slope in zip(variables, tape.gradient(total, list(variables.values())), strict=True):
        part, largest = name.partition("/")[0], 0.0 if slope is None else float(tf.reduce_max(tf.abs(slope)))
        parts[part] = max(parts.get(part, 0.0), largest)
    return float(total), parts


# ------------------------------------------------------------------------------------------------ LIFT


def stage(photographs: Path, trainable: str, **section: Any) -> Config:
    given = {} if trainable == "descriptor" else {"init": str(photographs / "begun.npz")}
    if given and not (photographs / "begun.npz").exists():
        get_weights(network_of("lift"), NetworkConfig(system="lift")).save(photographs / "begun.npz")
    return config("lift", photographs, trainable=trainable, **given, **section)


@pytest.mark.parametrize("trainable", ["descriptor", "orientation", "detector"])
def test_a_stage_of_lift_trains_its_own_network_through_the_others(photographs: Path, trainable: str) -> None:
    settings = stage(photographs, trainable)
    total, parts = slopes(settings, batch_of(settings, photographs))
    assert np.isfinite(total) and total > 0 and np.isfinite(parts[trainable]) and parts[trainable] > 0
    network = build_network(settings.network)
    train_only(network, settings.training.trainable)
    assert {name.partition("/")[0] for name in named_variables(network, only_trainable=True)} == {trainable}


def test_the_pair_term_reaches_the_detector_through_orientation_and_descriptor(photographs: Path) -> None:
    settings = stage(photographs, "detector")
    total, parts = slopes(settings, batch_of(settings, photographs), "pair")
    assert total > 0 and parts["detector"] > 0


def test_the_later_stages_of_lift_want_the_weights_of_the_one_before(photographs: Path) -> None:
    with pytest.raises(ConfigError, match=r"`lift.init`: the detector is trained through .*lift.trainable=orientation"):
        config("lift", photographs, trainable="detector")
    with pytest.raises(ConfigError, match=r"`lift\.batch_size`: 9 points do not come from whole pictures"):
        config("lift", photographs, batch_size=9)


@pytest.mark.parametrize("trainable", ["descriptor", "orientation", "detector"])
def test_pictures_without_a_keypoint_cost_nothing_and_are_warned_about(photographs: Path, trainable: str) -> None:
    settings = stage(photographs, trainable)
    batch = batch_of(settings, photographs)
    empty = dict(batch)
    empty["valid"] = tf.zeros_like(batch["valid"])
    empty["point"] = -tf.ones_like(batch["point"])
    objective = OBJECTIVES["lift"](settings)
    terms = objective.loss_terms(network_of("lift"), empty)
    assert all(float(term.sum) == 0.0 for term in terms.values())
    assert all(float(count) == 0.0 for count in objective.counts(empty).values())
    assert "no keypoint of this batch" in objective.warning(dict.fromkeys(terms, 0.0), empty)


def test_equal_descriptors_are_warned_about(photographs: Path) -> None:
    settings = stage(photographs, "descriptor")
    objective, batch = OBJECTIVES["lift"](settings), batch_of(settings, photographs)
    assert "sits at 2.0000" in objective.warning({"desc": 2.0}, batch)
    assert objective.warning({"desc": 1.0}, batch) == ""


def test_the_validation_of_the_detector_says_how_well_keypoints_are_told_from_empty_patches(photographs: Path) -> None:
    settings = stage(photographs, "detector")
    metrics, figures = LiftValidator(settings, str(photographs), ["a.png", "b.png"]).validate(network_of("lift"))
    assert set(metrics) == {"nearest", "fpr95", "told"} and all(0.0 <= value <= 1.0 for value in metrics.values())
    assert figures["validation_crops"].ndim == 3


# ------------------------------------------------------------------------------------------------ LF-Net


@pytest.mark.parametrize(
    ("term", "part"),
    [("image", "detector"), ("pair", "detector"), ("ori", "detector"), ("scale", "detector"), ("desc", "descriptor")],
)
def test_each_term_of_lfnet_trains_one_part_alone(photographs: Path, term: str, part: str) -> None:
    settings = config("lfnet", photographs)
    total, parts = slopes(settings, batch_of(settings, photographs), term)
    other = {"detector": "descriptor", "descriptor": "detector"}[part]
    assert np.isfinite(total) and parts[part] > 0 and parts[other] == 0.0


def test_views_that_are_all_hidden_give_finite_losses_of_zero(photographs: Path) -> None:
    settings = config("lfnet", photographs)
    batch = batch_of(settings, photographs)
    away = tf.constant([[1.0, 0.0, 1e4], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    batch["homography_0to1"] = tf.tile(away[tf.newaxis], (2, 1, 1))
    total, parts = slopes(settings, batch)
    assert total == 0.0 and all(slope == 0.0 for slope in parts.values())
    objective = OBJECTIVES["lfnet"](settings)
    assert float(objective.counts(batch)["image"]) == 0.0
    assert "shows anything in both views" in objective.warning(dict.fromkeys(objective.term_names, 0.0), batch)


def test_equal_views_agree_in_orientation_and_scale(photographs: Path) -> None:
    settings = config("lfnet", photographs)
    batch = batch_of(settings, photographs)
    batch |= {"images1": batch["images0"], "mask1": batch["mask0"], "homography_0to1": tf.eye(3, batch_shape=[2])}
    terms = OBJECTIVES["lfnet"](settings).loss_terms(network_of("lfnet"), batch)
    assert float(terms["ori"].sum) == pytest.approx(0.0, abs=1e-4)
    assert float(terms["scale"].sum) == pytest.approx(0.0, abs=1e-4)


def test_a_turned_view_costs_upright_keypoints_their_turn(photographs: Path) -> None:
    settings = config("lfnet", photographs)
    batch = batch_of(settings, photographs)
    angle = 0.3
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 20.0], [np.sin(angle), np.cos(angle), -15.0], [0, 0, 1]], np.float32
    )
    batch["homography_0to1"] = tf.constant(np.stack([turn, turn]))
    terms = OBJECTIVES["lfnet"](settings).loss_terms(build_network(NetworkConfig(system="lfnet"), seed=1), batch)
    counts = OBJECTIVES["lfnet"](settings).counts(batch)
    assert float(terms["ori"].sum / counts["ori"]) == pytest.approx(2 - 2 * np.cos(angle), rel=0.02)


def test_a_term_of_weight_zero_is_left_out_and_all_of_them_are_refused(photographs: Path) -> None:
    objective = OBJECTIVES["lfnet"](config("lfnet", photographs, pair_weight=0.0, scale_weight=0.0))
    assert objective.term_names == ("image", "ori", "desc")
    names = ("image", "pair", "orientation", "scale", "descriptor")
    with pytest.raises(ConfigError, match="all weights are 0"):
        config("lfnet", photographs, **{f"{name}_weight": 0.0 for name in names})


def test_a_part_that_no_term_trains_stays_as_it_is(photographs: Path, tmp_path: Path) -> None:
    settings = config("lfnet", photographs, descriptor_weight=0.0, steps=1, warmup_steps=0, validate_every=5)
    state = TrainingState(build_task(settings))
    before = {name: variable.numpy() for name, variable in named_variables(state.model).items()}
    state.train_step(batch_of(settings, photographs))
    changed = {name for name, value in named_variables(state.model).items() if (value.numpy() != before[name]).any()}
    trained = {name for name in changed if "moving" not in name}
    assert trained and not [name for name in trained if name.startswith("descriptor")]


def test_negatives_get_harder_with_the_number_of_the_sample(photographs: Path) -> None:
    settings = config("lfnet", photographs, hardest=64, hardest_fall_every=1, batch_size=1)
    hardest = batch_of(settings, photographs, (0, 10, 1000))["hardest"]
    assert hardest.numpy().tolist() == [64, round(64 * 0.9**10), 5]


@pytest.mark.parametrize("system", ["lift", "lfnet"])
def test_a_config_becomes_a_task_with_its_own_batches_and_validation(photographs: Path, system: str) -> None:
    task = build_task(config(system, photographs))
    assert task.kind is BATCHES[system] and task.validator.key in ("nearest", "matching_score")
    assert len(task.inputs) == 1 and "held out" in task.source.description


@pytest.mark.parametrize("name", ["lift.yaml", "lift-laptop.yaml", "lfnet.yaml", "lfnet-laptop.yaml"])
def test_the_shipped_recipes_load(name: str) -> None:
    settings = load_config(CONFIGS / name)
    assert settings.network.system == settings.train == name[:-5].removesuffix("-laptop")


def test_frozen_batch_norm_of_a_part_keeps_its_averages(photographs: Path) -> None:
    network = build_network(NetworkConfig(system="lfnet"), seed=1)
    train_only(network, "detector")
    before = {name: v.numpy() for name, v in named_variables(network).items() if "moving" in name}
    settings = config("lfnet", photographs)
    OBJECTIVES["lfnet"](dataclasses.replace(settings)).loss_terms(network, batch_of(settings, photographs))
    moved = {
        name.partition("/")[0]
        for name, v in named_variables(network).items()
        if name in before and not np.array_equal(v.numpy(), before[name])
    }
    assert moved == {"detector"}
