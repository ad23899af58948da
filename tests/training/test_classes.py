"""`train: classes`: the body, then the attention on it, on photographs small enough to learn in seconds."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.class_batch import class_batch
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.training.build import build_task
from superpoint_tf.training.class_validation import ranked_map
from superpoint_tf.training.objectives.class_objective import ClassObjective
from superpoint_tf.training.trainer import train

NO_LIGHT = {"enabled": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photographs")
    for number in range(8):
        noise = np.random.default_rng(number).integers(0, 256, (6, 8)).astype(np.uint8)
        cv2.imwrite(str(root / f"{number}.png"), cv2.resize(noise, (128, 96), interpolation=cv2.INTER_CUBIC))
    return root


def config(folder: Path, **classes) -> Config:
    return build_config(
        {
            "train": "classes",
            "workers": 0,
            "network": {"system": "delf-small"},
            "photographs": {"root": str(folder), "image_shape": [48, 64], "views": "both", "photometric": NO_LIGHT},
            "classes": {
                **{"batch_size": 4, "steps": 2, "warmup_steps": 0, "optimizer": "momentum", "learning_rate": 0.01},
                **{"validate_every": 2, "checkpoint_every": 2, "log_every": 1, "num_figures": 1},
                **classes,
            },
        }
    )


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the run folders of the body and of the attention on it."""
    root = tmp_path_factory.mktemp("runs")
    train(build_task(config(folder)), root / "body")
    task = build_task(config(folder, stage="attention", init=str(root / "body")))
    train(task, root / "attention")
    return root / "body", root / "attention"


def changed(before: Path | str, after: Path) -> set[str]:
    first, second = load_weights(before).arrays, load_weights(after).arrays
    assert first.keys() == second.keys()
    return {name for name in first if not np.array_equal(first[name], second[name])}


def test_the_attention_is_trained_alone_on_a_body_that_stays(trained: tuple[Path, Path]):
    last = next(trained[1].rglob("*.index")).with_suffix("")  # a checkpoint, which holds the heads
    names = {name.split("/")[0] for name in changed(trained[0], last)}
    assert names == {"attention_1", "attention_1_bn", "attention_2", "reduction"}
    assert load_weights(last).network.classes == load_weights(trained[1]).network.classes == 0
    assert (trained[1] / "figures").is_dir() or list(trained[1].rglob("validation_attention*"))


def test_the_reduction_whitens_the_features_of_the_photographs_it_was_taken_of(
    folder: Path, trained: tuple[Path, Path]
):
    arrays = load_weights(trained[1]).arrays
    kernel = arrays["reduction/kernel"]
    assert np.linalg.norm(arrays["reduction/mean"]) > 0.1 and np.isfinite(kernel).all()
    products = kernel.T @ kernel / np.outer(*2 * [np.linalg.norm(kernel, axis=0)])
    assert np.allclose(products, np.eye(40), atol=1e-3)  # components are at right angles


def test_each_stage_trains_its_part_and_its_head(folder: Path):
    task = build_task(config(folder))
    assert task.settings.trainable == "conv, block, classes_body" and task.config.network.classes == 6
    frozen = build_task(config(folder, trainable="block"))
    assert frozen.settings.trainable == "block, classes_body"


def test_the_loss_is_the_mean_cross_entropy_of_both_views(folder: Path):
    images = tf.zeros((3, 16, 16, 1))
    batch = {"images0": images, "images1": images + 1.0, "pictures": tf.constant([0, 2, 1], tf.int64)}
    logits = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    shown = dataclasses.replace(config(folder).network, classes=4)
    objective = ClassObjective(dataclasses.replace(config(folder), network=shown))
    seen = []

    def model(views: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        seen.append((views.shape[0], training, float(views[3, 0, 0, 0])))
        return {"body_logits": tf.constant(logits)}

    total = 0.0
    for row, label in zip(logits.astype(np.float64), [0, 2, 1, 0, 2, 1], strict=True):
        total += math.log(sum(math.exp(value) for value in row)) - row[label]
    found = objective.loss_terms(model, batch)["class"]
    assert float(found.sum) == pytest.approx(total, rel=1e-6) and found.weight == 1
    assert float(objective.counts(batch)["class"]) == 6 and seen == [(6, True, 1.0)]
    assert "a guess among 4" in objective.warning({"class": math.log(4)}, batch)
    assert objective.warning({"class": 0.9}, batch) == ""


def test_views_of_a_batch_are_functions_of_key_and_number(folder: Path):
    pictures = tf.constant(np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8))
    settings = ViewSettings(config(folder).photographs.homography, both=True)

    def batch(key: int, *numbers: int) -> dict[str, tf.Tensor]:
        own = tf.gather(pictures, [n % 3 for n in numbers])
        ids = tf.constant(numbers, tf.int64)
        return class_batch({"numbers": ids, "images": own, "images1": own, "pictures": ids}, key, settings)

    one, again, other = batch(1, 0, 1, 2), batch(1, 2, 0), batch(2, 0, 1, 2)
    assert one["images0"].shape == (3, 32, 32, 1)
    for name in ("images0", "images1"):
        assert np.array_equal(one[name][2], again[name][0]) and not np.allclose(one[name], other[name])
    assert not np.allclose(one["images0"], one["images1"])


def map_by_loops(vectors: np.ndarray, pictures: list[int]) -> float:
    """Return the mean over rows of the step area under precision that does not rise; no two are equally similar."""
    areas = []
    for row, own in enumerate(pictures):
        cosines = [
            (sum(a * b for a, b in zip(vectors[row], other, strict=True)) / np.linalg.norm(other), pictures[n] == own)
            for n, other in enumerate(vectors)
            if n != row
        ]
        ranked = [right for _, right in sorted(cosines, reverse=True)]
        if not any(ranked):
            continue
        precisions = [sum(ranked[: n + 1]) / (n + 1) for n in range(len(ranked))]
        areas.append(np.mean([max(precisions[n:]) for n, right in enumerate(ranked) if right]))
    return float(np.mean(areas))


def test_the_map_of_validation_is_that_of_the_definition():
    vectors = np.random.default_rng(3).standard_normal((12, 5))
    pictures = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4]  # 3 has no other view
    assert ranked_map(vectors, np.array(pictures)) == pytest.approx(map_by_loops(vectors, pictures))
    assert ranked_map(np.eye(3)[[0, 0, 1, 1]], np.array([5, 5, 6, 6])) == 1
    assert math.isnan(ranked_map(np.eye(2), np.array([0, 1])))
    assert np.isfinite(ranked_map(np.zeros((4, 2)), np.array([0, 0, 1, 1])))  # all equal: one step


def test_a_network_that_gives_the_loss_of_a_guess_begins_there(folder: Path):
    task = build_task(config(folder))
    from superpoint_tf.training.state import TrainingState

    state = TrainingState(task)
    outputs = state.model(np.random.default_rng(0).random((2, 48, 64, 1)).astype(np.float32))
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 1], logits=outputs["body_logits"])
    assert float(tf.reduce_mean(entropy)) == pytest.approx(math.log(6), abs=0.1)
    trainable = named_variables(state.model, only_trainable=True)
    assert {name.split("_")[0] for name in trainable} == {"conv", "block", "classes"}
    assert "classes_body/kernel" in trainable and "classes_attention/kernel" not in trainable


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"classes": {"stage": "attention"}},
            "attention is trained on a body that is; give its weights, `classes.init`",
        ),
        ({"network": {"system": "delf-small", "width": 0.5}}, "the layers of delf-small are fixed"),
        ({"network": {"system": "hardnet"}}, "`train: classes` trains delf"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict, words: str):
    with pytest.raises(ConfigError, match=words):
        build_config({"train": "classes", "network": {"system": "delf-small"}, **values})


@pytest.mark.parametrize(("train", "system"), [("dense", "d2net"), ("joint", "superpoint"), ("patches", "hardnet")])
def test_classes_are_of_this_training_alone(train: str, system: str):
    with pytest.raises(ConfigError, match=f"of `train: classes`; {system} has none"):
        build_config({"train": train, "network": {"system": system, "classes": 3}})


def test_fewer_classes_than_photographs_and_a_lone_photograph_are_refused(folder: Path, tmp_path: Path):
    few = dataclasses.replace(config(folder), network=dataclasses.replace(config(folder).network, classes=2))
    with pytest.raises(ConfigError, match="2 for 6 photographs; 0 takes their number"):
        build_task(few)
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes((folder / f"{number}.png").read_bytes())
        with pytest.raises(ConfigError, match=r"too few photographs|1 photograph to train on"):
            build_task(config(tmp_path))
