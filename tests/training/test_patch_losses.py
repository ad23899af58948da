"""Every loss of patches trains: a few steps on a small network, and what the objective counts and draws."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.losses.pair_scores import SCORE_LOSSES
from superpoint_tf.losses.vector_losses import VECTOR_LOSSES
from superpoint_tf.networks.patch_pairs import pair_scorer
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import SCORES, SYSTEMS, VECTORS, PatchSpec, System
from superpoint_tf.systems.system import bn, conv, fc, l2, pool, relu
from superpoint_tf.training.objectives.patch_objective import ScoreObjective, VectorObjective, patch_objective
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import Task, make_task

SIDE, POINTS, PICTURES = 8, 16, 4
BODY = (conv(8), bn(), relu(), pool("max", 2), conv(8), bn(), relu())
SMALL = {
    "small-vectors": PatchSpec(SIDE, "unit", (*BODY, fc(8), l2()), taps=(1,)),
    "small-mean-image": PatchSpec(SIDE, "mean image", (*BODY, fc(8), l2())),
    "small-pairs": PatchSpec(SIDE, "unit", (conv(8), relu(), fc(16), relu()), head=(fc(16), relu(), fc(1))),
    "small-2ch": PatchSpec(SIDE, "unit", (conv(8), relu(), fc(16), relu()), "two channels", head=(fc(1),)),
}


ROWS = {
    name: System(
        "a test",
        spec,
        "patches",
        tuple(SCORE_LOSSES if spec.head else VECTOR_LOSSES),
        SCORES if spec.head else VECTORS,
    )
    for name, spec in SMALL.items()
}


@pytest.fixture(autouse=True)
def small_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put small networks into the table."""
    for name, row in ROWS.items():
        monkeypatch.setitem(SYSTEMS, name, row)


def config_of(system: str, **patches: Any) -> Config:
    settings = {"batch_size": POINTS, "points_per_picture": POINTS // PICTURES, "steps": 100, "warmup_steps": 0}
    section = {"schedule": "constant", "optimizer": "momentum", "momentum": 0.0, "learning_rate": 0.01}
    config = build_config({"train": "patches", "network": {"system": "hardnet"}, "patches": {**settings, **section}})
    config = dataclasses.replace(config, network=config.network.with_system(system))
    return dataclasses.replace(config, patches=dataclasses.replace(config.patches, **patches))


def task_of(system: str, **patches: Any) -> Task:
    nothing: Any = None
    return make_task(config_of(system, **patches), nothing, nothing)


def batch_of(seed: int = 0) -> dict[str, tf.Tensor]:
    """Return points of random patches, seen twice with noise."""
    random, rows = np.random.default_rng(seed), np.arange(POINTS)
    patches = random.random((POINTS, SIDE, SIDE, 1), np.float32)
    batch = {
        "patches0": patches,
        "patches1": patches + random.normal(0, 0.02, patches.shape).astype(np.float32),
        "point": rows,
        "picture": rows // (POINTS // PICTURES),
        "position": 20.0 * np.stack([rows, rows], axis=1).astype(np.float32),
        "valid": np.ones(POINTS, bool),
        "loss_seeds": np.stack([np.full(PICTURES, 7), np.arange(PICTURES)], axis=1),
    }
    return {name: tf.constant(value) for name, value in batch.items()}


def losses_of(state: TrainingState, steps: int) -> list[float]:
    """Return the loss at each step, all on one batch."""
    losses = []
    for _ in range(steps):
        state.train_step(batch_of())
        losses.append(state.log.take_means()["total"])
    return losses


TRAINED = [("small-vectors", loss) for loss in VECTOR_LOSSES]
TRAINED += [(system, loss) for system in ("small-pairs", "small-2ch") for loss in SCORE_LOSSES]


@pytest.mark.parametrize(("system", "loss"), TRAINED)
def test_five_steps_of_every_loss_lower_it(system: str, loss: str):
    margin = {"triplet_ratio": 1.0, "triplet_global": 1.0}.get(loss)  # with .01 these are solved at the beginning
    losses = losses_of(TrainingState(task_of(system, loss=loss, margin=margin)), 6)
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_terms_are_reported_by_their_names_and_add_up_with_the_regularisation():
    state = TrainingState(task_of("small-vectors", loss="l2net", gor_weight=3.0))
    state.train_step(batch_of())
    means = state.log.take_means()
    assert list(means) == ["total", "e1", "e2", "e3", "gor"]
    assert means["total"] == pytest.approx(means["e1"] + means["e2"] + means["e3"] + 3.0 * means["gor"], rel=1e-5)


def test_points_count_by_the_negatives_of_their_micro_batch():
    batch = batch_of()
    batch["picture"] = tf.zeros(POINTS, tf.int64)
    batch["position"] = tf.constant([[0.0, 0.0]] * 8 + [[100.0, 0.0]] * 8)  # each half knows no negative of its own
    for objective, expected in (
        (VectorObjective(config_of("small-vectors")), 16.0),
        (VectorObjective(config_of("small-vectors", accumulate=2)), 0.0),
        (ScoreObjective(config_of("small-2ch", accumulate=2)), 0.0),
    ):
        assert float(objective.counts(batch)["desc"]) == expected
    mixed = tf.reverse(batch["position"][4:12], [0])
    batch["position"] = tf.concat([batch["position"][:4], mixed, batch["position"][12:]], axis=0)
    assert float(VectorObjective(config_of("small-vectors", accumulate=2)).counts(batch)["desc"]) == 16.0


@pytest.mark.parametrize("system", ["small-pairs", "small-2ch"])
def test_micro_batches_of_scores_add_up_to_the_mean_of_their_losses(system: str):
    whole, batch = TrainingState(task_of(system, loss="hinge", accumulate=2)), batch_of()
    objective = ScoreObjective(config_of(system, loss="hinge"))
    halves = [{name: tf.split(value, 2)[half] for name, value in batch.items()} for half in (0, 1)]
    sums = [float(objective.loss_terms(whole.model, half)["desc"].sum) for half in halves]
    whole.train_step(batch)
    assert whole.log.take_means()["desc"] == pytest.approx(sum(sums) / POINTS, rel=1e-5)


def test_a_network_of_two_branches_gives_the_scores_that_it_gives_of_whole_pairs():
    state, rows = TrainingState(task_of("small-pairs")), tf.range(POINTS)
    batch, others = batch_of(), tf.roll(tf.range(POINTS), 3, 0)
    scores = pair_scorer(state.model, batch["patches0"], batch["patches1"])(rows, others)
    whole = state.model([batch["patches0"], tf.gather(batch["patches1"], others)], training=False)["score"]
    np.testing.assert_allclose(scores, whole, atol=1e-5)


def test_flips_change_what_is_seen_and_not_what_is_compared():
    plain, flipped = (VectorObjective(config_of("small-vectors", flips=flips)) for flips in (False, True))
    batch = {**batch_of(), "patches1": batch_of()["patches0"]}
    first, second = flipped._patches(batch)
    np.testing.assert_array_equal(first, second)
    assert plain._patches(batch)[0] is batch["patches0"] and not np.array_equal(first, batch["patches0"])
    grey_levels = [np.sort(np.reshape(each, (POINTS, -1))) for each in (first, batch["patches0"])]
    np.testing.assert_array_equal(*grey_levels)


@pytest.mark.parametrize(
    ("system", "loss", "value"),
    [
        ("small-vectors", "triplet", 2.0),
        ("small-vectors", "pair_hinge", 1.0),
        ("small-2ch", "hinge", 1.0),
        ("small-pairs", "cross_entropy", float(np.log(2.0))),
        ("small-2ch", "global", 0.8),
    ],
)
def test_a_loss_that_sits_at_its_collapse_is_warned_of(system: str, loss: str, value: float):
    objective = patch_objective(config_of(system, loss=loss))
    assert f"the loss desc sits at {value:.4f}" in objective.warning({"desc": value}, batch_of())
    assert objective.warning({"desc": 0.8 * value}, batch_of()) == ""


def test_a_loss_of_features_within_is_refused_for_a_network_that_gives_none():
    with pytest.raises(ConfigError, match="l2net compares features within the network, and small-mean-image"):
        patch_objective(config_of("small-mean-image", loss="l2net"))


def test_a_loss_of_scores_is_refused_for_a_system_of_vectors_and_the_reverse():
    for system, loss in (("hardnet", "hinge"), ("matchnet", "triplet")):
        with pytest.raises(ConfigError, match=f"`patches.loss`: {loss} does not train {system}, which gives"):
            build_config({"train": "patches", "network": {"system": system}, "patches": {"loss": loss}})


def test_every_loss_of_a_row_is_in_the_table_of_its_kind():
    tables = {VECTORS: VECTOR_LOSSES, SCORES: SCORE_LOSSES}
    for name, row in SYSTEMS.items():
        if row.train == "patches" and not row.solved:
            assert set(row.losses) <= set(tables[row.gives]), name


def test_frozen_layers_keep_their_weights_and_their_statistics():
    state = TrainingState(task_of("small-vectors", trainable="fc, conv_2,"))
    before = {name: variable.numpy() for name, variable in named_variables(state.model).items()}
    losses_of(state, 2)
    after = {name: variable.numpy() for name, variable in named_variables(state.model).items()}
    changed = {name.split("/")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"conv_2", "conv_2_bn", "fc_1"}


def test_nothing_left_to_train_is_refused_with_the_names_of_the_layers():
    with pytest.raises(ConfigError, match="no layer's name begins with 'centre'; the layers are conv_1, conv_1_bn"):
        TrainingState(task_of("small-vectors", trainable="centre"))


def test_mean_images_are_set_before_the_first_step_in_both_networks():
    state = TrainingState(task_of("small-mean-image", ema_decay=0.9))
    patches = np.random.default_rng(0).random((32, SIDE, SIDE, 1), np.float32)
    state.set_input_statistics(patches)
    for network in (state.model, state.network_to_use()):
        np.testing.assert_allclose(named_variables(network)["input/mean_image"], patches.mean(axis=0), atol=1e-6)
