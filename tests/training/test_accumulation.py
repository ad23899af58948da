"""Micro-batches: the same update as the undivided batch, in less memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.training.state import NonFiniteLoss, TrainingState
from superpoint_tf.training.tasks import make_task

BATCH, ROWS, COLUMNS = 4, 5, 6


def make_state(kind: str, **settings: Any) -> TrainingState:
    section = {"steps": 9, "batch_size": BATCH, "warmup_steps": 0, "schedule": "constant", **settings}
    config = build_config(
        {
            "train": kind,
            "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
            "synthetic": {"draw": {"image_shape": [8 * ROWS, 8 * COLUMNS]}},
            kind: section,
        }
    )
    validator: Any = None
    return TrainingState(make_task(config, GeneratedShapes(config), validator))


def valid_cells() -> np.ndarray:
    """One picture with all its cells valid, one with one, one with none, one with a row: micro-batches differ much."""
    valid = np.zeros((BATCH, ROWS, COLUMNS), bool)
    valid[0], valid[1, 2, 3], valid[3, 1] = True, True, True
    return valid


def batch_of(kind: str, step: int) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(step)
    result: dict[str, Any] = {"numbers": np.arange(BATCH)}
    for view in ("",) if kind == "detector" else ("0", "1"):
        result[f"images{view}"] = random.random((BATCH, 8 * ROWS, 8 * COLUMNS, 1), np.float32)
        result[f"cell_labels{view}"] = random.integers(0, 65, (BATCH, ROWS, COLUMNS)).astype(np.int32)
        result[f"cells_valid{view}"] = valid_cells() if view != "0" else np.ones_like(valid_cells())
    if kind == "joint":
        result["homography_0to1"] = np.stack([np.eye(3, dtype=np.float32)] * BATCH)
    return {name: tf.constant(value) for name, value in result.items()}


def trained(kind: str, steps: int = 5, **settings: Any) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    state, losses = make_state(kind, **settings), []
    for step in range(steps):
        state.train_step(batch_of(kind, step))
        losses.append(state.log.take_means())
    return losses, [weight.numpy() for weight in state.model.weights]


@pytest.mark.parametrize("kind, accumulate, clip_norm", [("detector", 2, 0.0), ("joint", BATCH, 0.05)])
def test_without_batch_norm_micro_batches_give_the_losses_and_weights_of_the_whole_batch(
    kind: str, accumulate: int, clip_norm: float
):
    whole_losses, whole_weights = trained(kind, clip_norm=clip_norm)
    losses, weights = trained(kind, clip_norm=clip_norm, accumulate=accumulate)
    for one, other in zip(whole_losses, losses, strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    for one, other in zip(whole_weights, weights, strict=True):
        np.testing.assert_allclose(other, one, atol=2e-5)
    assert not np.allclose(whole_weights[0], make_state(kind).model.weights[0].numpy(), atol=1e-3)  # it did learn


def test_averaging_the_means_of_micro_batches_would_be_seen():
    """The loss of the whole is that of the first picture, nearly: three quarters of the cells are its own."""
    state, batch = make_state("detector"), batch_of("detector", 0)
    means = []
    for picture in range(BATCH):
        share = {name: tensor[picture : picture + 1] for name, tensor in batch.items()}
        count = state._task.objective.counts(share)["det"]
        means.append(float(state._task.objective.loss_terms(state.model, share)["det"].sum / tf.maximum(count, 1.0)))
    state.train_step(batch)
    assert abs(state.log.take_means()["det"] - np.mean(means)) > 0.5


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_micro_batches_train_in_mixed_precision(precision: str):
    _, weights = trained("detector", steps=2, accumulate=2, precision=precision)
    assert all(weight.dtype == np.float32 and np.isfinite(weight).all() for weight in weights)


def test_xla_compiles_micro_batches():
    plain, _ = trained("joint", steps=2, accumulate=2)
    compiled, _ = trained("joint", steps=2, accumulate=2, xla=True)
    for one, other in zip(plain, compiled, strict=True):
        assert other == pytest.approx(one, rel=1e-4)


def test_a_value_that_is_not_finite_in_one_micro_batch_stops_the_whole_update():
    state, batch = make_state("detector", accumulate=2), batch_of("detector", 0)
    before = [weight.numpy() for weight in state.model.weights]
    images = batch["images"].numpy()
    images[3, 0, 0] = np.nan
    state.train_step({**batch, "images": tf.constant(images)})
    with pytest.raises(NonFiniteLoss, match=r"step 1: images of sample 3 \(synthetic shape 3\) not finite"):
        state.check_finite(range(BATCH))
    assert int(state.step) == 0
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, state.model.weights, strict=True))


def test_a_batch_that_does_not_divide_is_refused_with_both_settings():
    with pytest.raises(ConfigError, match=r"`joint\.batch_size`: 8 does not divide into `joint\.accumulate`: 3 equal"):
        build_config({"joint": {"accumulate": 3}})
