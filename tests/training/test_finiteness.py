"""Numbers that go wrong: a step either trains with finite numbers or leaves everything as it was and is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data import views
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.training import state as state_module
from superpoint_tf.training.finiteness import NonFiniteLoss
from superpoint_tf.training.objectives.detector_objective import DetectorObjective
from superpoint_tf.training.objectives.objective import LossTerm
from superpoint_tf.training.replicas import Replicas
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task

BATCH, HEIGHT, WIDTH = 4, 40, 48
NO_KEYPOINT = 64


def make_state(kind: str = "detector", replicas: Replicas | None = None, **settings: Any) -> TrainingState:
    section = {"steps": 99, "batch_size": BATCH, "warmup_steps": 0, "schedule": "constant", **settings}
    config = build_config(
        {
            "train": kind,
            "network": {"width": 0.0625, "batch_norm": True, "descriptor_dim": 8},
            "synthetic": {"draw": {"image_shape": [HEIGHT, WIDTH]}},
            kind: section,
        }
    )
    validator: Any = None
    return TrainingState(make_task(config, GeneratedShapes(config), validator), replicas)


def batch_of(kind: str = "detector", keypoints: bool = True, valid: bool = True) -> dict[str, tf.Tensor]:
    random, cells = np.random.default_rng(0), (BATCH, HEIGHT // 8, WIDTH // 8)
    result: dict[str, Any] = {"numbers": np.arange(BATCH)}
    for view in ("",) if kind == "detector" else ("0", "1"):
        result[f"images{view}"] = random.random((BATCH, HEIGHT, WIDTH, 1), np.float32)
        labels = random.integers(0, 64, cells) if keypoints else np.full(cells, NO_KEYPOINT)
        result[f"cell_labels{view}"] = labels.astype(np.int32)
        result[f"cells_valid{view}"] = np.full(cells, valid)
    if kind == "joint":
        result["homography_0to1"] = np.stack([np.eye(3, dtype=np.float32)] * BATCH)
    return {name: tf.constant(value) for name, value in result.items()}


def with_pixel(batch: dict[str, tf.Tensor], samples: list[int], value: float, name: str = "images") -> dict[str, Any]:
    images = batch[name].numpy()
    images[samples, 3, 5] = value
    return {**batch, name: tf.constant(images)}


def copy(state: TrainingState) -> list[np.ndarray]:
    return [state.replicas.local(variable).numpy() for variable in state.model.weights]


def assert_equal(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------------ what is not finite


@pytest.mark.parametrize(("accumulate", "value"), [(1, np.nan), (2, -np.inf)])
def test_a_pixel_that_is_no_number_is_named_and_leaves_weights_and_averages_of_batch_norm_as_they_were(
    accumulate: int, value: float
):
    state = make_state(accumulate=accumulate)
    state.train_step(batch_of())
    before = copy(state)
    state.train_step(with_pixel(batch_of(), [3], value))
    state.train_step(batch_of())  # after a failure nothing goes on
    with pytest.raises(
        NonFiniteLoss, match=r"^step 2: images of sample 7 \(synthetic shape 7\) not finite; the weights"
    ):
        state.check_finite(range(BATCH, 2 * BATCH))
    assert_equal(copy(state), before)
    assert int(state.step) == 1


def test_several_pictures_of_either_view_are_named():
    state, batch = make_state("joint"), batch_of("joint")
    state.train_step(with_pixel(with_pixel(batch, [0, 2], np.nan, "images1"), [1], np.nan, "images0"))
    words = r"images0 of sample 1 .* and images1 of samples 0, 2 \(synthetic shape 0, synthetic shape 2\) not finite"
    with pytest.raises(NonFiniteLoss, match=words):
        state.check_finite(range(BATCH))


def test_absent_points_are_no_failure_and_not_named():
    state, batch = make_state("joint"), batch_of("joint")
    points = {f"points{view}": tf.fill((BATCH, 5, 2), np.float32(np.nan)) for view in (0, 1)}
    state.train_step({**with_pixel(batch, [2], np.nan, "images1"), **points})
    with pytest.raises(NonFiniteLoss, match=r"^step 1: images1 of sample 2 \(synthetic shape 2\) not finite"):
        state.check_finite(range(BATCH))


def test_without_a_bad_picture_the_loss_term_is_named_with_the_pictures_of_the_batch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(DetectorObjective, "loss_terms", _with_extra(lambda model: tf.math.log(-1.0)))
    state = make_state()
    state.train_step(batch_of())
    words = (
        r"total, det not finite on samples 0\.\.3 \(synthetic shape 0, synthetic shape 1, synthetic shape 2 and 1 more"
    )
    with pytest.raises(NonFiniteLoss, match=words):
        state.check_finite(range(BATCH))


def test_with_a_finite_loss_the_weight_is_named_whose_gradient_is_not(monkeypatch: pytest.MonkeyPatch):
    def root_of_zero(model: tf.keras.Model) -> tf.Tensor:
        return tf.sqrt(tf.reduce_sum(tf.square(model.get_layer("encoder_2a").bias)))  # 0, with the slope 1/0

    monkeypatch.setattr(DetectorObjective, "loss_terms", _with_extra(root_of_zero))
    state = make_state(clip_norm=1.0)
    state.train_step(batch_of())
    with pytest.raises(NonFiniteLoss, match=r"step 1: gradient of encoder_2a/bias not finite on samples 0\.\.3"):
        state.check_finite(range(BATCH))


def _with_extra(extra: Any) -> Any:
    real = DetectorObjective.loss_terms

    def loss_terms(self: DetectorObjective, model: tf.keras.Model, batch: Any) -> Any:
        term = real(self, model, batch)["det"]
        return {"det": LossTerm(term.sum + extra(model), term.weight)}

    return loss_terms


def test_averages_of_batch_norm_are_put_back_on_replicas_too():
    state = make_state(replicas=Replicas(tf.distribute.MirroredStrategy(["CPU:0"])))
    state.train_step(batch_of())
    before = copy(state)
    state.train_step(with_pixel(batch_of(), [0], np.nan))
    assert_equal(copy(state), before)
    with pytest.raises(NonFiniteLoss, match="images of sample 0"):
        state.check_finite(range(BATCH))


# ------------------------------------------------------------------------------------------------ half precision


def test_a_float16_overflow_skips_the_step_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state_module, "_FLOAT16_LOSS_SCALE", 1e9)
    state = make_state(precision="mixed_float16")
    before = copy(state)
    state.train_step(batch_of())
    state.check_finite(range(BATCH))
    assert_equal(copy(state), before)
    assert (int(state.step), int(state.num_skipped)) == (1, 1)


def test_overflows_that_do_not_end_stop_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state_module, "_MAX_OVERFLOWS", 3)
    monkeypatch.setattr(state_module, "_FLOAT16_LOSS_SCALE", 1e9)
    state = make_state(precision="mixed_float16")
    for _ in range(5):
        state.train_step(batch_of())
    with pytest.raises(NonFiniteLoss, match=r"step 4: gradient of encoder_1a/kernel.* after 3 skipped steps in a row"):
        state.check_finite(range(BATCH))
    assert int(state.step) == 3


def test_a_resumed_run_goes_on_counting_the_overflows_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state_module, "_MAX_OVERFLOWS", 3)
    monkeypatch.setattr(state_module, "_FLOAT16_LOSS_SCALE", 1e9)
    state = make_state(precision="mixed_float16")
    for _ in range(2):
        state.train_step(batch_of())
    path = state.checkpoint.save(str(tmp_path / "latest"))
    resumed = make_state(precision="mixed_float16")
    resumed.restore(path)
    for _ in range(2):
        resumed.train_step(batch_of())
    with pytest.raises(NonFiniteLoss, match=r"step 4: .* after 3 skipped steps in a row"):
        resumed.check_finite(range(BATCH))


def test_a_checkpoint_of_before_the_counter_is_refused_with_the_remedy(tmp_path: Path):
    state = make_state()
    del state.checkpoint.overflows_in_a_row
    path = state.checkpoint.save(str(tmp_path / "latest"))
    with pytest.raises(ConfigError, match=r"latest-1: cannot be resumed, it holds other variables .* detector\.init="):
        make_state().restore(path)


# ------------------------------------------------------------------------------------------------ finite in spite of it


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_batch_without_keypoints_and_one_without_valid_cells_train_with_finite_numbers(precision: str):
    state = make_state("joint", precision=precision, clip_norm=1.0)
    state.train_step(batch_of("joint", keypoints=False))
    assert state.log.take_means()["total"] > 0
    state.train_step(batch_of("joint", valid=False))
    state.check_finite(range(BATCH))
    assert state.log.take_means()["total"] == 0.0
    assert all(np.isfinite(variable).all() for variable in copy(state))
    assert (int(state.step), int(state.num_skipped)) == (2, 0)


EXTREME = {
    "far away": [[1, 0, 1e6], [0, 1, -1e6], [0, 0, 1]],
    "behind the camera": [[1, 0, 0], [0, 1, 0], [0, 0, -1]],
    "to a point": [[1e-9, 0, 7], [0, 1e-9, 7], [0, 0, 1]],
    "horizon through the frame": [[1, 0, 0], [0, 1, 0], [0.1, -0.1, 0]],
    "singular": [[1, 1, 0], [1, 1, 0], [0, 0, 1]],
    "huge": [[1e30, 0, 0], [0, 1e30, 0], [0, 0, 1]],
}


@pytest.mark.parametrize("form", ["hinge", "doubly_normalized"])
def test_a_batch_whose_homographies_are_all_extreme_trains_with_finite_numbers(
    form: str, monkeypatch: pytest.MonkeyPatch
):
    state, random = make_state("joint", descriptor_loss=form), np.random.default_rng(0)
    batch = {
        "numbers": tf.range(BATCH, dtype=tf.int64),
        "images": tf.constant(random.integers(0, 256, (BATCH, HEIGHT, WIDTH), np.uint8)),
        "images1": tf.constant(random.integers(0, 256, (BATCH, HEIGHT, WIDTH), np.uint8)),
        "keypoints": tf.constant(random.uniform(0, 40, (BATCH, 9, 2)), tf.float32),
    }
    for step, (name, matrix) in enumerate(EXTREME.items()):
        homographies = tf.constant(np.stack([matrix] * BATCH), tf.float32)
        monkeypatch.setattr(views, "sample_homographies", lambda *_, h=homographies: h)
        pairs = pair_batch(batch, 0, state._task.views)
        whole = name == "huge"  # shows one point of the picture over the whole frame
        assert pairs["cells_valid1"].numpy().all() == whole, name
        state.train_step(pairs)
        state.check_finite(range(step * BATCH, (step + 1) * BATCH))
    assert all(np.isfinite(variable).all() for variable in copy(state))
