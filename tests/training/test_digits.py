"""The training of networks of digits: its loss, its validation, and a run of a few steps that is resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.digits import digit_set
from superpoint_tf.data.digits.digit_set import Digits
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.systems.digit_systems import DIGIT_SIDE_PX
from superpoint_tf.training import digit_validation
from superpoint_tf.training.build import build_task
from superpoint_tf.training.builders import picture_tasks
from superpoint_tf.training.digit_validation import DigitValidator, wrong_answers
from superpoint_tf.training.objectives.digit_objective import DigitObjective
from superpoint_tf.training.trainer import train


def config(system: str = "st-fcn-affine", **digits: Any) -> Config:
    settings = {"batch_size": 4, "steps": 4, "warmup_steps": 0, "log_every": 1, "validate_every": 4}
    values = {**settings, "checkpoint_every": 2, "num_figures": 1, **digits}
    return build_config({"train": "digits", "workers": 0, "network": {"system": system}, "digits": values})


@pytest.fixture(autouse=True)
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars instead of digits: bar number n lies at column 2 n."""
    pictures = np.zeros((10, DIGIT_SIDE_PX, DIGIT_SIDE_PX), np.uint8)
    for number in range(10):
        pictures[number, :, 2 * number] = 255
    digits = Digits(pictures, np.arange(10, dtype=np.int64))
    for module in (digit_set, picture_tasks, digit_validation):
        monkeypatch.setattr(module, "load_digits", lambda: dict.fromkeys(("train", "validation", "test"), digits))


class Says:
    """A model that gives one digit for everything."""

    def __init__(self, digit: int, certain: float = 1.0) -> None:
        self._logits = certain * tf.one_hot([digit], 10)

    def __call__(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        return {"logits": tf.tile(self._logits, (tf.shape(images)[0], 1))}


def test_the_loss_is_the_cross_entropy_and_adds_up_over_the_batch() -> None:
    objective, batch = DigitObjective(config()), {"images": tf.zeros((3, 4, 4, 1)), "labels": tf.constant([0, 1, 2])}
    guess = objective.loss_terms(Says(0, 0.0), batch)["digit"]
    assert float(guess.sum) == pytest.approx(3 * math.log(10)) and guess.weight == 1.0
    right = math.log(math.exp(5.0) + 9)
    assert float(objective.loss_terms(Says(1, 5.0), batch)["digit"].sum) == pytest.approx(3 * right - 5, rel=1e-5)
    assert float(objective.counts(batch)["digit"]) == 3


def test_a_loss_that_sits_at_a_guess_is_named() -> None:
    objective = DigitObjective(config())
    assert "ln 10" in objective.warning({"digit": math.log(10)}, {})
    assert objective.warning({"digit": 1.0}, {}) == ""


def test_a_model_that_says_one_digit_is_wrong_about_the_nine_others() -> None:
    wrong = wrong_answers(Says(7), "P", "test", 2)
    assert wrong.shape == (2, 10)
    assert not wrong[:, 7].any() and wrong.sum() == 18


def test_validation_gives_the_error_and_draws_crops_where_there_are_any() -> None:
    validator = DigitValidator(config())
    network = config().network
    metrics, figures = validator.validate(build_network(network))
    assert metrics["error"] == pytest.approx(1 - metrics["accuracy"]) and validator.key in metrics
    assert figures["validation_crops"].dtype == np.uint8 and figures["validation_crops"].ndim == 3
    plain = build_network(network.with_system("digits-fcn"))
    assert validator.validate(plain)[1] == {}
    assert DigitValidator(config(num_figures=0)).validate(build_network(network))[1] == {}


def test_a_run_that_is_resumed_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(build_task(config(schedule="constant")), whole)
    for steps in (2, 4):
        train(build_task(config(schedule="constant", steps=steps)), parts)
    one, other = (tf.train.load_checkpoint(tf.train.latest_checkpoint(run / "checkpoints")) for run in (whole, parts))
    names = [name for name in one.get_variable_to_shape_map() if name.startswith("model")]
    for name in names:
        np.testing.assert_array_equal(one.get_tensor(name), other.get_tensor(name))
    assert names and load_weights(whole).network.system == "st-fcn-affine"
    assert json.loads((whole / "summary.json").read_text())["steps"] == 4


def test_a_system_of_another_section_is_refused() -> None:
    with pytest.raises(ConfigError, match="trains digits-cnn"):
        config("hardnet")
    with pytest.raises(ConfigError, match=r"distortion.*not one of R, RTS, P, E"):
        config(distortion="X")
