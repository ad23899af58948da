"""The joint terms that the paper has not: shares of a batch add up to the whole, in one forward pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError, NetworkConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.training.builders.detector_tasks import teacher_input
from superpoint_tf.training.finiteness import NonFiniteLoss
from superpoint_tf.training.replicas import cut
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task

BATCH, ROWS, COLUMNS = 4, 5, 6
BOTH = {"keypoint_weight": 1.0, "keypoint_negatives": "map", "random_points": 5, "consistency_weight": 2.0}


def make_state(batch_norm: bool = False, **settings: Any) -> TrainingState:
    section = {"steps": 9, "batch_size": BATCH, "warmup_steps": 0, "schedule": "constant", **settings}
    config = build_config(
        {
            "train": "joint",
            "network": {"width": 0.0625, "batch_norm": batch_norm, "descriptor_dim": 8},
            "synthetic": {"draw": {"image_shape": [8 * ROWS, 8 * COLUMNS]}},
            "joint": section,
        }
    )
    task: Any = make_task(config, GeneratedShapes(config), None)  # type: ignore[arg-type]
    return TrainingState(task)


def batch_of(step: int = 0, points: int = 9) -> dict[str, tf.Tensor]:
    """Noise; of the second picture few points are there, of the third none, and few cells of the fourth are valid."""
    random = np.random.default_rng(step)
    valid = np.ones((BATCH, ROWS, COLUMNS), bool)
    valid[3, 1:] = False
    corresponding = random.uniform(0, 40, (BATCH, points, 2)).astype(np.float32)
    corresponding[1, 2:], corresponding[2] = np.nan, np.nan
    result: dict[str, Any] = {
        "numbers": np.arange(BATCH),
        "homography_0to1": np.stack([np.eye(3, dtype=np.float32)] * BATCH),
        "points0": corresponding,
        "points1": corresponding,
        "shift_seeds": random.integers(0, 2**31, (BATCH, 2)),
    }
    for view in (0, 1):
        result[f"images{view}"] = random.random((BATCH, 8 * ROWS, 8 * COLUMNS, 1), np.float32)
        result[f"cell_labels{view}"] = random.integers(0, 65, (BATCH, ROWS, COLUMNS)).astype(np.int32)
        result[f"cells_valid{view}"] = valid
    return {name: tf.constant(value) for name, value in result.items()}


def trained(more_points: int = 0, **settings: Any) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """Make two steps; with more points in the second the step is compiled again."""
    state, losses = make_state(**settings), []
    for step in range(2):
        state.train_step(batch_of(step, points=9 + step * more_points))
        losses.append(state.log.take_means())
    state.check_finite(range(BATCH))
    return losses, [weight.numpy() for weight in state.model.weights]


def test_only_terms_with_a_weight_are_computed_and_named():
    assert list(make_state().log.names) == ["total", "det0", "det1", "desc"]
    assert make_state(keypoint_weight=1.0).log.names[4:] == ("kpt",)
    assert make_state(**BOTH).log.names[4:] == ("kpt", "cons")


def test_without_weights_a_batch_needs_neither_points_nor_seeds():
    batch = {k: v for k, v in batch_of().items() if not k.startswith("points") and k != "shift_seeds"}
    state = make_state()
    state.train_step(batch)
    assert state.log.take_means()["total"] > 0


def test_the_total_is_the_weighted_sum_and_a_random_network_costs_about_log_of_the_candidates():
    state = make_state(**BOTH, keypoint_temperature=10.0)
    state.train_step(batch_of())
    means = state.log.take_means()
    terms = 0.5 * (means["det0"] + means["det1"]) + means["desc"] + means["kpt"] + 2.0 * means["cons"]
    assert means["total"] == pytest.approx(terms, rel=1e-5)
    assert math.log(10) < means["kpt"] < math.log(45) and means["cons"] > 0


def test_micro_batches_give_the_losses_and_weights_of_the_whole_batch():
    whole_losses, whole_weights = trained(1, **BOTH, max_keypoints=6)
    losses, weights = trained(1, **BOTH, max_keypoints=6, accumulate=BATCH)
    for one, other in zip(whole_losses, losses, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
    for one, other in zip(whole_weights, weights, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-4)


def test_counts_add_up_over_parts_and_are_those_of_the_losses():
    state, batch = make_state(**BOTH, max_keypoints=6), batch_of()
    whole = state._task.objective.counts(batch)
    parts = [state._task.objective.counts(cut(batch, index, BATCH)) for index in range(BATCH)]
    for name in ("kpt", "cons"):
        assert sum(float(part[name]) for part in parts) == pytest.approx(float(whole[name])) != 0
    assert float(parts[2]["kpt"]) <= 2 * 5  # drawn points alone


def test_with_batch_norm_the_moved_copy_is_in_the_same_forward_pass():
    state, batch = make_state(batch_norm=True, **BOTH), batch_of()
    shapes = []

    def model(images: tf.Tensor, training: bool) -> Any:
        shapes.append(images.shape[0])
        return state.model(images, training=training)

    state._task.objective.loss_terms(model, batch)  # type: ignore[arg-type]
    assert shapes == [3 * BATCH]


@pytest.mark.slow
def test_xla_compiles_all_terms_with_micro_batches():
    settings = {**BOTH, "keypoint_negatives": "batch", "accumulate": 2}
    for one, other in zip(trained(1, **settings)[0], trained(1, **settings, xla=True)[0], strict=True):
        assert other == pytest.approx(one, rel=1e-3)


def test_all_terms_train_in_mixed_precision():
    losses, weights = trained(**{**BOTH, "keypoint_loss": "hardest"}, precision="mixed_bfloat16")
    assert all(loss["kpt"] > 0 and loss["cons"] > 0 for loss in losses)
    assert all(weight.dtype == np.float32 and np.isfinite(weight).all() for weight in weights)


def test_a_batch_without_points_and_valid_cells_trains_with_finite_numbers():
    state, batch = make_state(**BOTH), batch_of()
    nothing = {name: tf.zeros_like(tensor) for name, tensor in batch.items() if name.startswith("cells_valid")}
    nowhere = {name: tf.fill(tensor.shape, np.nan) for name, tensor in batch.items() if name.startswith("points")}
    state.train_step({**batch, **nothing, **nowhere})
    state.check_finite(range(BATCH))
    assert state.log.take_means()["total"] == 0.0


def test_points_that_are_not_there_are_not_blamed_for_a_failure():
    state, batch = make_state(**BOTH), batch_of()
    images = batch["images1"].numpy()
    images[2, 3, 5] = np.nan
    state.train_step({**batch, "images1": tf.constant(images)})
    with pytest.raises(
        NonFiniteLoss, match=r"^step 1: images1 of sample 2 \(synthetic shape 2\) not finite; the weights"
    ):
        state.check_finite(range(BATCH))


@pytest.mark.parametrize("negatives, accumulate", [("keypoints", 1), ("batch", 1), ("batch", 2)])
def test_a_keypoint_loss_of_equal_descriptors_is_warned_of(negatives: str, accumulate: int):
    state = make_state(keypoint_weight=1.0, keypoint_negatives=negatives, accumulate=accumulate)
    kernel, bias = (getattr(state.model.get_layer("descriptor_b"), name) for name in ("kernel", "bias"))
    kernel.assign(tf.zeros_like(kernel))
    bias.assign(tf.ones_like(bias))
    state.train_step(batch_of())
    means = state.log.take_means()
    means["desc"] = 1.0  # the hinge has a warning of its own
    assert "the keypoint loss sits at" in state._task.objective.warning(means, batch_of())
    assert state._task.objective.warning({**means, "kpt": 0.9 * means["kpt"]}, batch_of()) == ""


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    network = NetworkConfig(width=0.125, batch_norm=False, descriptor_dim=8)
    path = tmp_path_factory.mktemp("teacher") / "teacher.npz"
    get_weights(build_network(network, seed=3), network).save(path)
    return str(path)


def test_a_teacher_adds_its_two_terms_and_is_not_trained(teacher: str):
    state = make_state(teacher=teacher, teacher_weight=2.0)
    assert state.log.names[4:] == ("tdet", "tdesc")
    state.train_step(batch_of())
    means = state.log.take_means()
    terms = 0.5 * (means["det0"] + means["det1"]) + means["desc"] + 2.0 * (means["tdet"] + means["tdesc"])
    assert means["total"] == pytest.approx(terms, rel=1e-5) and means["tdet"] > 0 and 0 < means["tdesc"] < 2
    assert sum(weight.shape.num_elements() for weight in state.model.weights) < 20_000  # the student's alone


def test_micro_batches_with_a_teacher_give_the_losses_and_weights_of_the_whole_batch(teacher: str):
    whole_losses, whole_weights = trained(teacher=teacher, **BOTH, max_keypoints=6)
    losses, weights = trained(teacher=teacher, **BOTH, max_keypoints=6, accumulate=2)
    for whole, shared in zip(whole_losses, losses, strict=True):
        assert shared == pytest.approx(whole, rel=1e-4)
    for whole, shared in zip(whole_weights, weights, strict=True):
        np.testing.assert_allclose(shared, whole, atol=1e-5)


def test_a_student_comes_nearer_to_its_teacher(teacher: str):
    state, first = make_state(teacher=teacher, teacher_weight=10.0, learning_rate=3e-3, descriptor_weight=0.0), {}
    for _ in range(25):
        state.train_step(batch_of())
        last = state.log.take_means()
        first = first or last
    assert last["tdesc"] < 0.3 * first["tdesc"]  # its detector knows nothing; the labels draw away from that


def test_of_a_teacher_with_other_descriptors_the_detector_alone_is_learnt():
    state = make_state(teacher="superpoint-small", descriptor_weight=0.0, keypoint_weight=1.0)
    assert state.log.names == ("total", "det0", "det1", "kpt", "tdet")
    state.train_step(batch_of())
    means = state.log.take_means()
    terms = 0.5 * (means["det0"] + means["det1"]) + means["kpt"] + means["tdet"]
    assert means["total"] == pytest.approx(terms, rel=1e-5)


def test_without_a_weight_the_loss_over_all_cells_is_not_computed(teacher: str):
    state = make_state(teacher=teacher, descriptor_weight=0.0, keypoint_weight=1.0)
    assert list(state.log.names) == ["total", "det0", "det1", "kpt", "tdet", "tdesc"]
    state.train_step(batch_of())
    assert state.log.take_means()["total"] > 0


def test_a_teacher_that_does_not_fit_is_refused(teacher: str):
    section = {"teacher": teacher, "descriptor_weight": 0}
    config = build_config({"train": "joint", "network": {"width": 0.0625}, "joint": section})
    with pytest.raises(ConfigError, match=r"8 numbers, network\.descriptor_dim is 256, and nothing else trains"):
        teacher_input(config)
    with pytest.raises(
        ConfigError, match=r"joint\.teacher=magicpoint-small: weights of magicpoint; those of superpoint can"
    ):
        teacher_input(build_config({"train": "joint", "joint": {"teacher": "magicpoint-small"}}))
    assert list(teacher_input(build_config({"train": "joint", "joint": {"teacher": "superpoint"}}))) == ["teacher"]
    assert teacher_input(build_config({"train": "joint"})) == {}
